using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Elementwise;

/// <summary>SwiGLU: gate · sigmoid(gate) · up.</summary>
internal static unsafe class GatedActivation<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>output[i] = silu(gate[i]) · up[i]; <paramref name="count"/> is a multiple of 16.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Apply(float* gate, float* up, int count, float* output)
    {
        V one = L.Broadcast(1f);
        V zero = L.Zero;
        V sign = L.Broadcast(0x80000000u);
        for (int i = 0; i < count; i += L.Count)
        {
            // Through e^-|g|, which cannot overflow: sigmoid(g) is 1/(1+e) for g ≥ 0 and e/(1+e) below.
            V g = L.Load(gate + i);
            V e = VectorMath<L, V>.Exp(L.Or(g, sign));
            V numerator = L.Where(L.GreaterOrEqual(g, zero), one, e);
            V sigmoid = L.Divide(numerator, L.Add(one, e));
            L.Store(output + i, L.Multiply(L.Multiply(g, sigmoid), L.Load(up + i)));
        }
    }
}
