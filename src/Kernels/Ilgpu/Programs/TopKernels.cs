using ILGPU;
using ILGPU.Algorithms;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>One round of selection: from each segment of each row, its largest <see cref="Count"/> keys.</summary>
internal struct TopArguments
{
    /// <summary>[rows, LogitStride], read when <see cref="FromLogits"/>.</summary>
    public ArrayView<float> Logits;

    /// <summary>[rows, Length] keys of the round before, read otherwise.</summary>
    public ArrayView<ulong> Keys;

    /// <summary>[rows, segments, Count] keys in descending order; 0 where a segment has fewer.</summary>
    public ArrayView<ulong> Output;

    public int FromLogits;

    public int LogitStride;

    /// <summary>Elements of a row.</summary>
    public int Length;

    /// <summary>Elements of a segment.</summary>
    public int Segment;

    public int Count;
}

/// <summary>
/// The largest logits by value, then by ascending id. A logit and its id become one 64-bit key that sorts that way, so that
/// every key is different and the result cannot depend on how the work is cut. NaN, of whichever sign and content, sorts first.
/// </summary>
internal static class TopKernels
{
    public const int MaxThreads = 256;

    /// <summary>
    /// Group (threads: a power of two up to 256), grid (segments, rows). The largest key below the last one is found
    /// <see cref="TopArguments.Count"/> times; only the thread that held the last one looks through its elements again.
    /// </summary>
    public static void Select(TopArguments arguments)
    {
        ArrayView<ulong> best = SharedMemory.Allocate<ulong>(MaxThreads);
        int thread = Group.IdxX;
        int first = Grid.IdxX * arguments.Segment;
        int end = IntrinsicMath.Min(first + arguments.Segment, arguments.Length);
        long output = ((long)Grid.IdxY * Grid.DimX + Grid.IdxX) * arguments.Count;
        ulong own = Largest(arguments, first + thread, end, ulong.MaxValue);
        for (int i = 0; i < arguments.Count; i++)
        {
            best[thread] = own;
            Group.Barrier();
            for (int half = Group.DimX / 2; half > 0; half /= 2)
            {
                if (thread < half)
                {
                    best[thread] = XMath.Max(best[thread], best[thread + half]);
                }

                Group.Barrier();
            }

            ulong top = best[0];
            Group.Barrier();
            if (thread == 0)
            {
                arguments.Output[output + i] = top;
            }

            if (own == top && top != 0)
            {
                own = Largest(arguments, first + thread, end, top);
            }
        }
    }

    /// <summary>Id of a key made from a logit.</summary>
    public static int Id(ulong key) => (int)~(uint)key;

    /// <summary>Value of a key made from a logit.</summary>
    public static float Value(ulong key)
    {
        uint ordered = (uint)(key >> 32);
        return BitConverter.UInt32BitsToSingle((ordered & 0x80000000u) != 0 ? ordered ^ 0x80000000u : ~ordered);
    }

    private static ulong Largest(TopArguments arguments, int first, int end, ulong below)
    {
        ulong largest = 0;
        for (int i = first; i < end; i += Group.DimX)
        {
            ulong key = arguments.FromLogits != 0
                ? Key(arguments.Logits[(long)Grid.IdxY * arguments.LogitStride + i], i)
                : arguments.Keys[(long)Grid.IdxY * arguments.Length + i];
            if (key < below && key > largest)
            {
                largest = key;
            }
        }

        return largest;
    }

    private static ulong Key(float value, int id)
    {
        // Adding 0 makes −0 and 0 the same value. Positive floats sort as integers do; negative ones the other way round. All NaN are one,
        // just above +∞, so that its key is below the highest, which stands for "none yet".
        uint bits = Interop.FloatAsInt(value + 0f);
        uint ordered = (bits & 0x7FFFFFFFu) > 0x7F800000u ? 0xFFC00000u
            : (bits & 0x80000000u) != 0 ? ~bits
            : bits | 0x80000000u;
        return ((ulong)ordered << 32) | ~(uint)id;
    }
}
