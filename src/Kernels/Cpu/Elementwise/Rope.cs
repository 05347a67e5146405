using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Model;

namespace ServingGrid.Kernels.Cpu.Elementwise;

/// <summary>Rotates heads to a position (RoPE).</summary>
internal static unsafe class Rope
{
    /// <summary>Rotates one head in place; elements beyond the rotated dimensions stay.</summary>
    public static void Rotate(float* head, CpuRopeTable table, int position)
    {
        if (table.Style == RopeStyle.Interleaved)
        {
            Neighbours(head, table.Rows(position), 2 * table.Pairs);
        }
        else
        {
            Halves(head, table.Rows(position), table.Pairs);
        }
    }

    /// <summary>
    /// (x, y) → (x·cos − y·sin, y·cos + x·sin) for neighbours: each element times its cosine, plus the element beside it times a sine
    /// that carries the sign; <paramref name="table"/> holds both by element.
    /// </summary>
    [MethodImpl(KernelCode.Optimized)]
    private static void Neighbours(float* head, float* table, int count)
    {
        float* sines = table + count;
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            Vector256<int> swap = Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6);
            for (; i + 8 <= count; i += 8)
            {
                Vector256<float> x = Vector256.Load(head + i);
                Vector256<float> rotated = x * Vector256.Load(table + i) + Vector256.Shuffle(x, swap) * Vector256.Load(sines + i);
                rotated.Store(head + i);
            }
        }

        for (; i < count; i += 2)
        {
            (float x, float y) = (head[i], head[i + 1]);
            head[i] = x * table[i] + y * sines[i];
            head[i + 1] = y * table[i + 1] + x * sines[i + 1];
        }
    }

    /// <summary>The same for pairs that lie <paramref name="pairs"/> elements apart; <paramref name="table"/> holds cosines, then sines.</summary>
    [MethodImpl(KernelCode.Optimized)]
    private static void Halves(float* head, float* table, int pairs)
    {
        float* second = head + pairs;
        float* sines = table + pairs;
        int i = 0;
        for (; i + Vector256<float>.Count <= pairs; i += Vector256<float>.Count)
        {
            Vector256<float> x = Vector256.Load(head + i);
            Vector256<float> y = Vector256.Load(second + i);
            Vector256<float> cosine = Vector256.Load(table + i);
            Vector256<float> sine = Vector256.Load(sines + i);
            (x * cosine - y * sine).Store(head + i);
            (y * cosine + x * sine).Store(second + i);
        }

        for (; i < pairs; i++)
        {
            (float x, float y) = (head[i], second[i]);
            head[i] = x * table[i] - y * sines[i];
            second[i] = y * table[i] + x * sines[i];
        }
    }
}
