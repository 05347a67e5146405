using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Matrices;

using Block = Vector128<float>;

/// <summary>Dequantises single rows of panels, through the same unpacking as the products.</summary>
/// <typeparam name="F">The quantised type.</typeparam>
internal static unsafe class PanelReader<F>
    where F : IPanelFormat
{
    [MethodImpl(KernelCode.Optimized)]
    public static void ReadRow(PanelLayout layout, byte* panel, int row, int columns, float* output)
    {
        int lane = row & ~3;
        Block* groups = stackalloc Block[8];
        float d = 0;
        float dmin = 0;
        for (int b = 0; b < columns / PanelLayout.BlockColumns; b++, output += PanelLayout.BlockColumns)
        {
            if (F.SuperBlocks && b % PanelLayout.SuperBlock == 0)
            {
                d = (float)((Half*)panel)[row];
                dmin = F.HasMin ? (float)((Half*)panel)[PanelLayout.Rows + row] : 0;
                panel += layout.HeaderBytes;
            }

            PanelBlock<F, Lanes128, Block>.Unpack(
                panel, lane, out groups[0], out groups[1], out groups[2], out groups[3], out groups[4], out groups[5], out groups[6], out groups[7]);
            byte* scales = panel + layout.ScaleOffset;
            byte* minima = panel + layout.MinOffset;
            float scale = F.HalfScales ? d * ((sbyte*)scales)[row] : F.SuperBlocks ? d * scales[row] : (float)((Half*)scales)[row];
            float second = F.HalfScales ? d * ((sbyte*)minima)[row] : scale;
            float min = !F.HasMin ? 0 : F.SuperBlocks ? dmin * minima[row] : (float)((Half*)minima)[row];
            for (int i = 0; i < PanelLayout.BlockColumns; i++)
            {
                int u = ((byte*)&groups[i / 4])[(row & 3) * 4 + i % 4];
                output[i] = (i < 16 ? scale : second) * (u - F.Offset) + min;
            }

            panel += layout.BlockBytes;
        }
    }
}
