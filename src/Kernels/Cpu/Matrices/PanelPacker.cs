using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>Rows of a file into a panel of <see cref="PanelLayout"/>.</summary>
/// <typeparam name="F">The quantised type.</typeparam>
internal static unsafe class PanelPacker<F>
    where F : IPanelFormat
{
    /// <summary>
    /// Packs up to 16 rows from <paramref name="firstRow"/> on; missing rows of the last panel stay as they are (zero).
    /// </summary>
    /// <remarks>
    /// Runs once for each panel while a process starts, long before .NET would compile it a second time, and its loops are too short to be
    /// replaced while they run: it has to be optimised from the first call.
    /// </remarks>
    [MethodImpl(KernelCode.Optimized)]
    public static void Pack(TensorData source, int firstRow, byte* panel)
    {
        PanelLayout layout = PanelLayout.Of(source.Type)!;
        int rows = Math.Min(PanelLayout.Rows, source.Rows - firstRow);
        int blocks = source.Columns / PanelLayout.BlockColumns;
        uint* groups = stackalloc uint[8];
        for (int r = 0; r < rows; r++)
        {
            byte* row = (byte*)source.Address + (long)(firstRow + r) * source.RowBytes;
            byte* block = panel;
            for (int b = 0; b < blocks; b++)
            {
                if (F.SuperBlocks && b % PanelLayout.SuperBlock == 0)
                {
                    F.ReadHeader(row, b, out ushort d, out ushort dmin);
                    ((ushort*)block)[r] = d;
                    if (F.HasMin)
                    {
                        ((ushort*)block)[PanelLayout.Rows + r] = dmin;
                    }

                    block += layout.HeaderBytes;
                }

                F.Read(row, b, groups, out ushort scale, out ushort min);
                PackWeights(groups, (uint*)block + r, (uint*)(block + layout.HighOffset) + r);
                PackScales(block + layout.ScaleOffset, r, scale, min);
                block += layout.BlockBytes;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackWeights(uint* groups, uint* low, uint* high)
    {
        if (F.LowBits == 8)
        {
            for (int g = 0; g < 8; g++)
            {
                low[PanelLayout.Rows * g] = groups[g];
            }

            return;
        }

        for (int g = 0; g < 4; g++)
        {
            low[PanelLayout.Rows * g] = (groups[g] & 0x0f0f0f0f) | ((groups[g + 4] & 0x0f0f0f0f) << 4);
        }

        if (F.HighBits == 1)
        {
            uint bits = 0;
            for (int g = 0; g < 8; g++)
            {
                bits |= ((groups[g] >> 4) & 0x01010101) << g;
            }

            *high = bits;
        }
        else if (F.HighBits == 2)
        {
            uint first = 0;
            uint second = 0;
            for (int g = 0; g < 4; g++)
            {
                first |= ((groups[g] >> 4) & 0x03030303) << (2 * g);
                second |= ((groups[g + 4] >> 4) & 0x03030303) << (2 * g);
            }

            high[0] = first;
            high[PanelLayout.Rows] = second;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackScales(byte* scales, int row, ushort scale, ushort min)
    {
        bool two = F.HasMin || F.HalfScales;
        if (F.SuperBlocks)
        {
            scales[row] = (byte)scale;
            if (two)
            {
                scales[PanelLayout.Rows + row] = (byte)min;
            }
        }
        else
        {
            ((ushort*)scales)[row] = scale;
            if (two)
            {
                ((ushort*)scales)[PanelLayout.Rows + row] = min;
            }
        }
    }
}
