using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>The product with quantised weights, in C#, for any vector width.</summary>
/// <remarks>
/// For each block of 32 columns: the integer dot product of u and a is exact, and
/// <c>sum += scale · (Σ u·a − offset · Σa) · activation scale</c>, then <c>sum += minimum · (activation scale · Σa)</c>: a
/// multiply-add for each block in order. Generated kernels compute the same, to the bit.
/// </remarks>
/// <typeparam name="F">Type of the weights.</typeparam>
/// <typeparam name="L">Vector operations; a panel's 16 rows are done <c>L.Count</c> at a time.</typeparam>
/// <typeparam name="V">Vector of L.</typeparam>
internal sealed unsafe class QuantizedKernel<F, L, V>(GgmlType type) : ProductKernel
    where F : IPanelFormat
    where L : ILanes<V>
    where V : unmanaged
{
    private readonly PanelLayout _layout = PanelLayout.Of(type)!;

    public override bool Quantized => true;

    public override void Multiply(byte* first, int panels, int columns, ActivationTile tile, ProductOutput output, nint ahead)
    {
        long panelBytes = _layout.PanelBytes(columns);
        for (int p = 0; p < panels; p++)
        {
            for (int lane = 0; lane < PanelLayout.Rows; lane += L.Count)
            {
                MultiplyLanes(first + p * panelBytes, lane, columns / PanelLayout.BlockColumns, tile, output.Data + p * PanelLayout.Rows + lane, output);
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(KernelCode.Optimized)]
    private void MultiplyLanes(byte* block, int lane, int blocks, ActivationTile tile, float* data, in ProductOutput output)
    {
        V* sums = stackalloc V[ActivationLayout.TileRows];
        int rows = tile.Rows;
        for (int t = 0; t < rows; t++)
        {
            sums[t] = L.Zero;
        }

        V d = L.Zero;
        V dmin = L.Zero;
        byte* activations = tile.Data;
        int scaleOffset = _layout.ScaleOffset;
        int minOffset = _layout.MinOffset;
        for (int b = 0; b < blocks; b++)
        {
            if (F.SuperBlocks && b % PanelLayout.SuperBlock == 0)
            {
                d = HalfFloats.Load<L, V>((ushort*)block + lane);
                dmin = F.HasMin ? HalfFloats.Load<L, V>((ushort*)block + PanelLayout.Rows + lane) : L.Zero;
                block += _layout.HeaderBytes;
            }

            PanelBlock<F, L, V>.Unpack(block, lane, out V w0, out V w1, out V w2, out V w3, out V w4, out V w5, out V w6, out V w7);
            V scale = PanelBlock<F, L, V>.Scale(block + scaleOffset, lane, d);
            V second = F.HalfScales
                ? L.Multiply(d, L.LoadSignedBytes((sbyte*)(block + minOffset) + lane))
                : F.HasMin ? PanelBlock<F, L, V>.Min(block + minOffset, lane, dmin) : L.Zero;

            uint* a = (uint*)activations;
            int* negatedSums = (int*)(activations + ActivationLayout.NegatedSum * rows);
            int* negatedHalfSums = (int*)(activations + ActivationLayout.NegatedHalfSum * rows);
            float* scales = (float*)(activations + ActivationLayout.Scale * rows);
            float* scaledSums = (float*)(activations + ActivationLayout.ScaledSum * rows);
            for (int t = 0; t < rows; t++, a += 8)
            {
                V sum = sums[t];
                V activationScale = L.Broadcast(scales[t]);
                int whole = F.Offset == 0 || F.Offset == 128 ? 0 : negatedSums[t] / (128 / F.Offset);
                int start = F.HalfScales ? negatedHalfSums[t] / (128 / F.Offset) : whole;
                V dot = L.Broadcast((uint)start);
                dot = Dot(Dot(Dot(Dot(dot, w0, a[0]), w1, a[1]), w2, a[2]), w3, a[3]);
                if (F.HalfScales)
                {
                    sum = L.MultiplyAdd(L.ToFloat(dot), L.Multiply(scale, activationScale), sum);
                    dot = L.Broadcast((uint)(whole - start));
                }

                dot = Dot(Dot(Dot(Dot(dot, w4, a[4]), w5, a[5]), w6, a[6]), w7, a[7]);
                sum = L.MultiplyAdd(L.ToFloat(dot), L.Multiply(F.HalfScales ? second : scale, activationScale), sum);
                sums[t] = F.HasMin ? L.MultiplyAdd(second, L.Broadcast(scaledSums[t]), sum) : sum;
            }

            activations += ActivationLayout.BlockBytes * rows;
            block += _layout.BlockBytes;
        }

        for (int t = 0; t < rows; t++)
        {
            float* to = data + t * output.Stride;
            L.Store(to, output.Accumulate ? L.Add(L.Load(to), sums[t]) : sums[t]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Dot(V acc, V weights, uint activations) =>
        F.LowBits == 8 ? L.DotOffset(acc, weights, L.Broadcast(activations)) : L.Dot(acc, weights, L.Broadcast(activations));
}
