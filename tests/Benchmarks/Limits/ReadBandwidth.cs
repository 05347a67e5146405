using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ServingGrid.Benchmarks.Limits;

/// <summary>Bytes per second that threads read from memory, each its own part of a buffer that no cache holds.</summary>
internal static unsafe class ReadBandwidth
{
    private const int PartBytes = 128 << 20;

    /// <summary>GB/s</summary>
    public static double Measure(int threads)
    {
        byte* buffer = (byte*)NativeMemory.AlignedAlloc((nuint)threads * PartBytes, 4096);
        try
        {
            // Written, not zeroed: untouched pages all map to one page of zeroes.
            new Span<byte>(buffer, PartBytes).Fill(1);
            for (int thread = 1; thread < threads; thread++)
            {
                Buffer.MemoryCopy(buffer, buffer + (long)thread * PartBytes, PartBytes, PartBytes);
            }

            long[] sums = new long[threads];
            double seconds = ParallelLoop.BestSeconds(threads, 5, thread => sums[thread] = Sum(buffer + (long)thread * PartBytes));
            return sums.All(sum => sum == sums[0]) ? (double)threads * PartBytes / seconds / 1e9 : throw new InvalidOperationException("The parts differ.");
        }
        finally
        {
            NativeMemory.AlignedFree(buffer);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long Sum(byte* part)
    {
        Vector512<long> a = default, b = default, c = default, d = default;
        for (byte* p = part, end = part + PartBytes; p < end; p += 256)
        {
            a += Vector512.Load((long*)p);
            b += Vector512.Load((long*)(p + 64));
            c += Vector512.Load((long*)(p + 128));
            d += Vector512.Load((long*)(p + 192));
        }

        return Vector512.Sum(a + b + (c + d));
    }
}
