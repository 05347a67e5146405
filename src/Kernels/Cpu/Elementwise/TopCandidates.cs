using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Elementwise;

/// <summary>
/// The largest of many numbers, by value descending, then index ascending. NaN counts as larger than +∞: the first one says that there is
/// one.
/// </summary>
internal static unsafe class TopCandidates<L, V>
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>Numbers that are compared with the current threshold at once.</summary>
    private const int Stretch = 64;

    /// <param name="values">Candidates.</param>
    /// <param name="length">At least as many as are asked for.</param>
    /// <param name="ids">Receives the indices.</param>
    /// <param name="best">Receives the values; as long as <paramref name="ids"/>.</param>
    [MethodImpl(KernelCode.Optimized)]
    public static void Select(float* values, int length, Span<int> ids, Span<float> best)
    {
        int count = 0;
        for (int first = 0; first < length; first += Stretch)
        {
            int end = Math.Min(first + Stretch, length);
            // Once the last place has +∞ or NaN, only NaN can still be of interest, which Largest does not tell from +∞.
            if (count == ids.Length && end - first == Stretch && best[^1] < float.PositiveInfinity && !(Largest(values + first) > best[^1]))
            {
                continue;
            }

            for (int id = first; id < end; id++)
            {
                float value = values[id];
                if (count < ids.Length)
                {
                    Insert(ids, best, count++, id, value);
                }
                else if (Precedes(value, best[^1]))
                {
                    Insert(ids, best, count - 1, id, value);
                }
            }
        }
    }

    [MethodImpl(KernelCode.Optimized)]
    private static float Largest(float* values)
    {
        V largest = Number(L.Load(values));
        for (int i = L.Count; i < Stretch; i += L.Count)
        {
            largest = L.Max(largest, Number(L.Load(values + i)));
        }

        return L.MaxAcross(largest);
    }

    /// <summary>NaN becomes +∞: it would hide its neighbours from the maximum, and be hidden by them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Number(V v) => L.Where(L.GreaterOrEqual(v, v), v, L.Broadcast(float.PositiveInfinity));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Precedes(float value, float other) => value > other || (float.IsNaN(value) && !float.IsNaN(other));

    /// <summary>Ids come in ascending order, so equal values go behind those that are there.</summary>
    [MethodImpl(KernelCode.Optimized)]
    private static void Insert(Span<int> ids, Span<float> best, int at, int id, float value)
    {
        while (at > 0 && Precedes(value, best[at - 1]))
        {
            (ids[at], best[at]) = (ids[at - 1], best[at - 1]);
            at--;
        }

        (ids[at], best[at]) = (id, value);
    }
}
