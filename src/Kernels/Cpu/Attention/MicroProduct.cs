using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>c [4 × 2 vectors] = a [4 × depth] · b [depth × 2 vectors], with one multiply-add for each step of the depth, in order.</summary>
internal static unsafe class MicroProduct<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <param name="a">Four rows, <paramref name="aStride"/> floats apart.</param>
    /// <param name="aStride">Floats.</param>
    /// <param name="b">Rows, <paramref name="bStride"/> floats apart.</param>
    /// <param name="bStride">Floats.</param>
    /// <param name="depth">Steps.</param>
    /// <param name="c">Four rows, <paramref name="cStride"/> floats apart.</param>
    /// <param name="cStride">Floats.</param>
    /// <param name="accumulate">Starts from what c holds instead of from zero.</param>
    [MethodImpl(KernelCode.Optimized)]
    public static void Run(float* a, int aStride, float* b, int bStride, int depth, float* c, int cStride, bool accumulate)
    {
        float* a1 = a + aStride;
        float* a2 = a1 + aStride;
        float* a3 = a2 + aStride;
        (V c00, V c01, V c10, V c11) = (L.Zero, L.Zero, L.Zero, L.Zero);
        (V c20, V c21, V c30, V c31) = (L.Zero, L.Zero, L.Zero, L.Zero);
        if (accumulate)
        {
            (c00, c01) = (L.Load(c), L.Load(c + L.Count));
            (c10, c11) = (L.Load(c + cStride), L.Load(c + cStride + L.Count));
            (c20, c21) = (L.Load(c + 2 * cStride), L.Load(c + 2 * cStride + L.Count));
            (c30, c31) = (L.Load(c + 3 * cStride), L.Load(c + 3 * cStride + L.Count));
        }

        for (nint k = 0; k < depth; k++, b += bStride)
        {
            V b0 = L.Load(b);
            V b1 = L.Load(b + L.Count);
            V x = L.Broadcast(a[k]);
            c00 = L.MultiplyAdd(x, b0, c00);
            c01 = L.MultiplyAdd(x, b1, c01);
            x = L.Broadcast(a1[k]);
            c10 = L.MultiplyAdd(x, b0, c10);
            c11 = L.MultiplyAdd(x, b1, c11);
            x = L.Broadcast(a2[k]);
            c20 = L.MultiplyAdd(x, b0, c20);
            c21 = L.MultiplyAdd(x, b1, c21);
            x = L.Broadcast(a3[k]);
            c30 = L.MultiplyAdd(x, b0, c30);
            c31 = L.MultiplyAdd(x, b1, c31);
        }

        L.Store(c, c00);
        L.Store(c + L.Count, c01);
        L.Store(c + cStride, c10);
        L.Store(c + cStride + L.Count, c11);
        L.Store(c + 2 * cStride, c20);
        L.Store(c + 2 * cStride + L.Count, c21);
        L.Store(c + 3 * cStride, c30);
        L.Store(c + 3 * cStride + L.Count, c31);
    }
}
