using System.Diagnostics;
using System.Globalization;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Benchmarks.Kernels;

/// <summary>
/// The CPU device's threads: what an operation costs to start, what an idle pool costs, and what becomes of several programs that compute on the
/// same cores at once. Options: --threads N, --programs N, --seconds N.
/// </summary>
/// <remarks>
/// An operation as in a decode step of a small model: a piece of arithmetic on each worker, a barrier, another piece. Programs are processes of their own
/// (this one, started again), as silos on one machine are.
/// </remarks>
internal static class PoolBenchmark
{
    private const string Child = "--child";
    private static readonly int[] OperationMicroseconds = [20, 200];

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments is [Child, var workers, var span, var length])
        {
            Console.WriteLine(Throughput(Parse(workers), Parse(span), Parse(length)).ToString("R", CultureInfo.InvariantCulture));
            return 0;
        }

        var options = new Arguments(arguments, "--threads", "--programs", "--seconds");
        int threads = options.Integer("--threads", Environment.ProcessorCount);
        int programs = options.Integer("--programs", 2);
        int seconds = options.Integer("--seconds", 2);
        Console.WriteLine($"an empty operation with a barrier, {threads} threads: {DispatchMicroseconds(threads):F2} µs; after a sleep of its workers: {WakeMicroseconds(threads):F0} µs");
        Console.WriteLine($"an idle pool: {IdleMilliseconds(threads, seconds):F2} ms of processor time in {seconds} s");
        var table = new Table("operation", "alone op/s", "programs", "op/s of each, of one alone", "together");
        foreach (int micros in OperationMicroseconds)
        {
            double alone = (await TogetherAsync(1, threads, micros, seconds))[0];
            double[] shared = await TogetherAsync(programs, threads, micros, seconds);
            string each = string.Join(" ", shared.Select(rate => (rate / alone).ToString("F2", CultureInfo.InvariantCulture)));
            table.Add($"2 × {micros} µs, {threads} threads", alone, programs, each, shared.Sum() / alone);
        }

        table.Print(Console.Out);
        return 0;
    }

    /// <summary>What it takes to start an operation on all threads and see it finished, with a barrier inside.</summary>
    public static double DispatchMicroseconds(int threads)
    {
        const int Runs = 50_000;
        using var pool = new WorkerPool(threads);
        var work = new ComputeWork(pool, 0);
        pool.Run(work);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Runs; i++)
        {
            pool.Run(work);
        }

        return Stopwatch.GetElapsedTime(start).TotalMicroseconds / Runs;
    }

    private static double WakeMicroseconds(int threads)
    {
        const int Runs = 50;
        using var pool = new WorkerPool(threads);
        var work = new ComputeWork(pool, 0);
        pool.Run(work);
        var total = TimeSpan.Zero;
        for (int i = 0; i < Runs; i++)
        {
            Thread.Sleep(2);
            long start = Stopwatch.GetTimestamp();
            pool.Run(work);
            total += Stopwatch.GetElapsedTime(start);
        }

        return total.TotalMicroseconds / Runs;
    }

    private static double IdleMilliseconds(int threads, int seconds)
    {
        using var pool = new WorkerPool(threads);
        pool.Run(new ComputeWork(pool, 0));
        Thread.Sleep(100);
        using Process self = Process.GetCurrentProcess();
        TimeSpan before = self.TotalProcessorTime;
        Thread.Sleep(seconds * 1000);
        self.Refresh();
        return (self.TotalProcessorTime - before).TotalMilliseconds;
    }

    /// <summary>Operations per second of each of some processes that run at the same time.</summary>
    private static async Task<double[]> TogetherAsync(int programs, int threads, int micros, int seconds)
    {
        string[] arguments = ["threads", Child, Invariant(threads), Invariant(micros), Invariant(seconds)];
        return await Task.WhenAll(Enumerable.Range(0, programs).Select(async _ =>
        {
            using Process process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true })!;
            string output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? double.Parse(output, CultureInfo.InvariantCulture) : throw new InvalidOperationException($"a program ended with {process.ExitCode}");
        }));

        static string Invariant(int number) => number.ToString(CultureInfo.InvariantCulture);
    }

    private static double Throughput(int threads, int micros, int seconds)
    {
        using var pool = new WorkerPool(threads);
        var work = new ComputeWork(pool, micros);
        int runs = 0;
        double elapsed;

        // A while to warm up and for the other programs to start, then the measured time.
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < 0.5;)
        {
            pool.Run(work);
        }

        long began = Stopwatch.GetTimestamp();
        while ((elapsed = Stopwatch.GetElapsedTime(began).TotalSeconds) < seconds)
        {
            pool.Run(work);
            runs++;
        }

        return runs / elapsed;
    }

    private static int Parse(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>Arithmetic that takes about that long on a free core (a fixed amount, not a time: who is held up does it later), twice, with a barrier between.</summary>
    private sealed class ComputeWork(WorkerPool pool, int microseconds) : ParallelWork
    {
        // A chain of multiply-adds of 4 cycles each.
        private const int StepsPerMicrosecond = 900;
        private readonly float[] _results = new float[pool.Workers * 16];

        public override void Execute(int worker)
        {
            _results[worker * 16] = Compute(_results[worker * 16]);
            pool.Barrier();
            _results[worker * 16] = Compute(_results[worker * 16]);
        }

        private float Compute(float x)
        {
            for (int i = 0; i < microseconds * StepsPerMicrosecond; i++)
            {
                x = MathF.FusedMultiplyAdd(x, 0.5f, 1f);
            }

            return x;
        }
    }
}
