using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>
/// The product with F32, F16 or BF16 weights, in C#: F32 multiply-adds on F32 activations. A panel is, for each column, the 16 rows'
/// elements as they lie in the file.
/// </summary>
/// <remarks>Two sums for each row, of the even and of the odd columns in order, added at the end: twice the speed of one chain.</remarks>
/// <typeparam name="E">Type of the weights.</typeparam>
/// <typeparam name="L">Vector operations.</typeparam>
/// <typeparam name="V">Vector of L.</typeparam>
internal sealed unsafe class FloatKernel<E, L, V> : ProductKernel
    where E : IFloatFormat
    where L : ILanes<V>
    where V : unmanaged
{
    public override bool Quantized => false;

    public override void Multiply(byte* first, int panels, int columns, ActivationTile tile, ProductOutput output, nint ahead)
    {
        long panelBytes = (long)columns * PanelLayout.Rows * E.Bytes;
        float* rows = (float*)tile.Data;
        for (int p = 0; p < panels; p++, first += panelBytes)
        {
            for (int lane = 0; lane < PanelLayout.Rows; lane += L.Count)
            {
                byte* weights = first + lane * E.Bytes;
                float* data = output.Data + p * PanelLayout.Rows + lane;
                int t = 0;
                for (; t + 4 <= tile.Rows; t += 4)
                {
                    MultiplyFour(weights, columns, rows + t * tile.Stride, tile.Stride, data + t * output.Stride, output);
                }

                for (; t < tile.Rows; t++)
                {
                    MultiplyOne(weights, columns, rows + t * tile.Stride, data + t * output.Stride, output.Accumulate);
                }
            }
        }
    }

    [MethodImpl(KernelCode.Optimized)]
    private static void MultiplyOne(byte* weights, int columns, float* row, float* data, bool accumulate)
    {
        V even = L.Zero;
        V odd = L.Zero;
        int column = 0;
        for (; column + 2 <= columns; column += 2, weights += 2 * PanelLayout.Rows * E.Bytes)
        {
            even = L.MultiplyAdd(E.Load<L, V>(weights), L.Broadcast(row[column]), even);
            odd = L.MultiplyAdd(E.Load<L, V>(weights + PanelLayout.Rows * E.Bytes), L.Broadcast(row[column + 1]), odd);
        }

        if (column < columns)
        {
            even = L.MultiplyAdd(E.Load<L, V>(weights), L.Broadcast(row[column]), even);
        }

        Store(data, L.Add(even, odd), accumulate);
    }

    [MethodImpl(KernelCode.Optimized)]
    private static void MultiplyFour(byte* weights, int columns, float* r0, nint rowStride, float* data, in ProductOutput output)
    {
        float* r1 = r0 + rowStride;
        float* r2 = r1 + rowStride;
        float* r3 = r2 + rowStride;
        (V even0, V even1, V even2, V even3) = (L.Zero, L.Zero, L.Zero, L.Zero);
        (V odd0, V odd1, V odd2, V odd3) = (L.Zero, L.Zero, L.Zero, L.Zero);
        int column = 0;
        for (; column + 2 <= columns; column += 2, weights += 2 * PanelLayout.Rows * E.Bytes)
        {
            V w = E.Load<L, V>(weights);
            even0 = L.MultiplyAdd(w, L.Broadcast(r0[column]), even0);
            even1 = L.MultiplyAdd(w, L.Broadcast(r1[column]), even1);
            even2 = L.MultiplyAdd(w, L.Broadcast(r2[column]), even2);
            even3 = L.MultiplyAdd(w, L.Broadcast(r3[column]), even3);
            w = E.Load<L, V>(weights + PanelLayout.Rows * E.Bytes);
            odd0 = L.MultiplyAdd(w, L.Broadcast(r0[column + 1]), odd0);
            odd1 = L.MultiplyAdd(w, L.Broadcast(r1[column + 1]), odd1);
            odd2 = L.MultiplyAdd(w, L.Broadcast(r2[column + 1]), odd2);
            odd3 = L.MultiplyAdd(w, L.Broadcast(r3[column + 1]), odd3);
        }

        if (column < columns)
        {
            V w = E.Load<L, V>(weights);
            even0 = L.MultiplyAdd(w, L.Broadcast(r0[column]), even0);
            even1 = L.MultiplyAdd(w, L.Broadcast(r1[column]), even1);
            even2 = L.MultiplyAdd(w, L.Broadcast(r2[column]), even2);
            even3 = L.MultiplyAdd(w, L.Broadcast(r3[column]), even3);
        }

        Store(data, L.Add(even0, odd0), output.Accumulate);
        Store(data + output.Stride, L.Add(even1, odd1), output.Accumulate);
        Store(data + 2 * output.Stride, L.Add(even2, odd2), output.Accumulate);
        Store(data + 3 * output.Stride, L.Add(even3, odd3), output.Accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* to, V sum, bool accumulate) => L.Store(to, accumulate ? L.Add(L.Load(to), sum) : sum);
}
