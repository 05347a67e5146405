using System.Diagnostics;

namespace ServingGrid.Benchmarks.Limits;

/// <summary>Runs the same loop on several threads at once and times it.</summary>
internal static class ParallelLoop
{
    /// <summary>Seconds from a common start until the last thread is done; the best of several rounds, because a limit is what can be reached.</summary>
    public static double BestSeconds(int threads, int rounds, Action<int> loop)
    {
        double best = double.PositiveInfinity;
        for (int round = 0; round < rounds; round++)
        {
            using var barrier = new Barrier(threads);
            long[] starts = new long[threads], ends = new long[threads];
            Thread[] workers = [.. Enumerable.Range(0, threads).Select(thread => new Thread(() =>
            {
                barrier.SignalAndWait();
                starts[thread] = Stopwatch.GetTimestamp();
                loop(thread);
                ends[thread] = Stopwatch.GetTimestamp();
            }))];
            Array.ForEach(workers, worker => worker.Start());
            Array.ForEach(workers, worker => worker.Join());
            best = Math.Min(best, Stopwatch.GetElapsedTime(starts.Min(), ends.Max()).TotalSeconds);
        }

        return best;
    }
}
