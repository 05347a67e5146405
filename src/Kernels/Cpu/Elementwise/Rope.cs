using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Model;

namespace ServingGrid.Kernels.Cpu.Elementwise;

/// <summary>Rotates heads to a position (RoPE).</summary>
internal static unsafe class Rope
{
    /// <summary>Rotates one head in place; elements beyond the rotated dimensions stay.</summary>
    public static void Rotate(float* head, CpuRopeTable table, int position)
    {
        int pairs = table.Pairs;
        float* cosines = table.Cosines(position);
        float* sines = cosines + pairs;
        int step = table.Style == RopeStyle.Interleaved ? 2 : 1;
        int apart = table.Style == RopeStyle.Interleaved ? 1 : pairs;
        for (int i = 0; i < pairs; i++)
        {
            float* first = head + step * i;
            (float x, float y) = (*first, first[apart]);
            *first = x * cosines[i] - y * sines[i];
            first[apart] = x * sines[i] + y * cosines[i];
        }
    }
}
