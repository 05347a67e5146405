using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Elementwise;

/// <summary>output = input · weight / sqrt(mean(input²) + epsilon); not a number everywhere if the squares' sum is not finite.</summary>
/// <remarks>The sum of squares runs in 16 lanes (column modulo 16), whatever the width of the vectors.</remarks>
internal static unsafe class RmsNorm<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    private const int Lanes = 16;

    /// <summary><paramref name="output"/> may be <paramref name="input"/>.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static void Apply(float* input, float* weight, float epsilon, int columns, float* output)
    {
        float sum = SumOfSquares(input, columns);

        // An infinite sum would make zeros of finite numbers, which nobody could tell from a result.
        float inverse = float.IsFinite(sum) ? 1f / MathF.Sqrt(sum / columns + epsilon) : float.NaN;
        V factor = L.Broadcast(inverse);
        int column = 0;
        for (; column + L.Count <= columns; column += L.Count)
        {
            L.Store(output + column, L.Multiply(L.Multiply(L.Load(input + column), factor), L.Load(weight + column)));
        }

        for (; column < columns; column++)
        {
            output[column] = input[column] * inverse * weight[column];
        }
    }

    [MethodImpl(KernelCode.Optimized)]
    private static float SumOfSquares(float* input, int columns)
    {
        float* partial = stackalloc float[Lanes];
        V s0 = L.Zero;
        V s1 = L.Zero;
        V s2 = L.Zero;
        V s3 = L.Zero;
        int column = 0;
        for (; column + Lanes <= columns; column += Lanes)
        {
            float* x = input + column;
            V v = L.Load(x);
            s0 = L.MultiplyAdd(v, v, s0);
            if (L.Count <= 8)
            {
                v = L.Load(x + L.Count);
                s1 = L.MultiplyAdd(v, v, s1);
            }

            if (L.Count == 4)
            {
                v = L.Load(x + 8);
                s2 = L.MultiplyAdd(v, v, s2);
                v = L.Load(x + 12);
                s3 = L.MultiplyAdd(v, v, s3);
            }
        }

        L.Store(partial, s0);
        if (L.Count <= 8)
        {
            L.Store(partial + L.Count, s1);
        }

        if (L.Count == 4)
        {
            L.Store(partial + 8, s2);
            L.Store(partial + 12, s3);
        }

        for (int lane = 0; column < columns; column++, lane++)
        {
            partial[lane] = MathF.FusedMultiplyAdd(input[column], input[column], partial[lane]);
        }

        for (int half = Lanes / 2; half > 0; half /= 2)
        {
            for (int lane = 0; lane < half; lane++)
            {
                partial[lane] += partial[lane + half];
            }
        }

        return partial[0];
    }
}
