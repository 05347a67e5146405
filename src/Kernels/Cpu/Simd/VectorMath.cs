using System.Runtime.CompilerServices;

namespace ServingGrid.Kernels.Cpu.Simd;

/// <summary>Functions over vectors.</summary>
internal static class VectorMath<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>
    /// e^x within 2 units in the last place for x in −86 … 0; below, about 4.5e-38. Exactly 1 at 0. Above 88 undefined. Not a number for what is none.
    /// </summary>
    /// <remarks>
    /// x = n·ln 2 + r with |r| ≤ ln 2 / 2 (Cody and Waite's two-step reduction); e^r by its Taylor polynomial of degree 7 in Horner's
    /// form; 2^n by adding n to the exponent.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp(V x)
    {
        // Adding 1.5·2^23 rounds to an integer and leaves it in the low bits.
        V magic = L.Broadcast(12582912f);
        x = L.Max(L.Broadcast(-86f), x);
        V shifted = L.MultiplyAdd(x, L.Broadcast(1.44269504f), magic);
        V n = L.Subtract(shifted, magic);
        V r = L.MultiplyAdd(n, L.Broadcast(-0.693359375f), x);
        r = L.MultiplyAdd(n, L.Broadcast(2.12194440e-4f), r);
        V p = L.Broadcast(1.98412698e-4f);
        p = L.MultiplyAdd(p, r, L.Broadcast(1.38888889e-3f));
        p = L.MultiplyAdd(p, r, L.Broadcast(8.33333333e-3f));
        p = L.MultiplyAdd(p, r, L.Broadcast(4.16666667e-2f));
        p = L.MultiplyAdd(p, r, L.Broadcast(1.66666667e-1f));
        p = L.MultiplyAdd(p, r, L.Broadcast(0.5f));
        p = L.MultiplyAdd(p, r, L.Broadcast(1f));
        p = L.MultiplyAdd(p, r, L.Broadcast(1f));
        return L.AddInt(p, L.ShiftLeft(shifted, 23));
    }

    /// <summary>2^x within 3 units in the last place for x in −125 … 127; below, less than 1e-37. Exactly 1 at 0. Not a number for what is none.</summary>
    /// <remarks>
    /// x = n + r with |r| ≤ 1/2; 2^r by a polynomial of degree 6 (<see cref="Exp2Constants"/>), whose constant term is 1.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp2(V x)
    {
        x = L.Max(L.Broadcast(Exp2Constants.Least), x);
        V n = L.Round(x);
        V r = L.Subtract(x, n);
        V p = L.Broadcast(Exp2Constants.Polynomial[0]);
        p = L.MultiplyAdd(p, r, L.Broadcast(Exp2Constants.Polynomial[1]));
        p = L.MultiplyAdd(p, r, L.Broadcast(Exp2Constants.Polynomial[2]));
        p = L.MultiplyAdd(p, r, L.Broadcast(Exp2Constants.Polynomial[3]));
        p = L.MultiplyAdd(p, r, L.Broadcast(Exp2Constants.Polynomial[4]));
        p = L.MultiplyAdd(p, r, L.Broadcast(Exp2Constants.Polynomial[5]));
        p = L.MultiplyAdd(p, r, L.Broadcast(Exp2Constants.Polynomial[6]));
        return L.ScaleByPower(p, n);
    }

    /// <summary>output = input · factor; any count.</summary>
    [MethodImpl(KernelCode.Optimized)]
    public static unsafe void Scale(float* input, float factor, int count, float* output)
    {
        int i = 0;
        for (; i + L.Count <= count; i += L.Count)
        {
            L.Store(output + i, L.Multiply(L.Load(input + i), L.Broadcast(factor)));
        }

        for (; i < count; i++)
        {
            output[i] = input[i] * factor;
        }
    }
}
