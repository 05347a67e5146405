using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ServingGrid.Benchmarks.Limits;

/// <summary>F32 operations per second (a fused multiply-add is two) on the widest vectors, from registers alone.</summary>
internal static class FloatPeak
{
    private const int Steps = 20_000_000;
    private const int Chains = 8;

    /// <summary>GFLOP/s</summary>
    public static double Measure(int threads)
    {
        float[] sink = new float[threads];
        bool wide = Vector512.IsHardwareAccelerated;
        double seconds = ParallelLoop.BestSeconds(threads, 3, thread => sink[thread] = wide ? Run512(1e-9f * thread) : Run256(1e-9f * thread));
        return sink.All(float.IsFinite) ? 2.0 * threads * Steps * Chains * (wide ? 16 : 8) / seconds / 1e9 : throw new InvalidOperationException("The loop ran away.");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Run512(float seed)
    {
        Vector512<float> x = Vector512.Create(0.5f), y = Vector512.Create(seed);
        Vector512<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y;
        for (int i = 0; i < Steps; i++)
        {
            a = Vector512.FusedMultiplyAdd(a, x, y);
            b = Vector512.FusedMultiplyAdd(b, x, y);
            c = Vector512.FusedMultiplyAdd(c, x, y);
            d = Vector512.FusedMultiplyAdd(d, x, y);
            e = Vector512.FusedMultiplyAdd(e, x, y);
            f = Vector512.FusedMultiplyAdd(f, x, y);
            g = Vector512.FusedMultiplyAdd(g, x, y);
            h = Vector512.FusedMultiplyAdd(h, x, y);
        }

        return Vector512.Sum(a + b + (c + d) + (e + f + (g + h)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Run256(float seed)
    {
        Vector256<float> x = Vector256.Create(0.5f), y = Vector256.Create(seed);
        Vector256<float> a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y;
        for (int i = 0; i < Steps; i++)
        {
            a = Vector256.FusedMultiplyAdd(a, x, y);
            b = Vector256.FusedMultiplyAdd(b, x, y);
            c = Vector256.FusedMultiplyAdd(c, x, y);
            d = Vector256.FusedMultiplyAdd(d, x, y);
            e = Vector256.FusedMultiplyAdd(e, x, y);
            f = Vector256.FusedMultiplyAdd(f, x, y);
            g = Vector256.FusedMultiplyAdd(g, x, y);
            h = Vector256.FusedMultiplyAdd(h, x, y);
        }

        return Vector256.Sum(a + b + (c + d) + (e + f + (g + h)));
    }
}
