using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>One row's weighted values of some slots: what <see cref="BlockProduct.Run"/> adds for them, to the bit.</summary>
internal static unsafe class RowValues<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <param name="weights">[slots].</param>
    /// <param name="source">Values.</param>
    /// <param name="first">First slot.</param>
    /// <param name="end">Behind the last slot; nothing is added if that is not beyond the first.</param>
    /// <param name="columns">Dimensions, a multiple of 32.</param>
    /// <param name="output">[columns]; added to.</param>
    [MethodImpl(KernelCode.Optimized)]
    public static void Add(float* weights, in KvSource source, int first, int end, int columns, float* output)
    {
        for (int slot = first; slot < end; slot++)
        {
            V weight = L.Broadcast(weights[slot]);
            if (source.Half)
            {
                ushort* values = (ushort*)source.ValueColumn(0) + (long)slot * source.ValueStride;
                for (int c = 0; c < columns; c += L.Count)
                {
                    L.Store(output + c, L.MultiplyAdd(weight, HalfFloats.Load<L, V>(values + c), L.Load(output + c)));
                }
            }
            else
            {
                float* values = (float*)source.ValueColumn(0) + (long)slot * source.ValueStride;
                for (int c = 0; c < columns; c += L.Count)
                {
                    L.Store(output + c, L.MultiplyAdd(weight, L.Load(values + c), L.Load(output + c)));
                }
            }
        }
    }
}
