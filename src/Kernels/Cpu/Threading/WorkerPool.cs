using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>
/// A fixed set of threads that run one <see cref="ParallelWork"/> at a time; the caller is worker 0.
/// </summary>
/// <remarks>
/// <para>
/// A step of a small model is some two hundred operations of 20 to 50 µs, so that a run must start in about a microsecond.
/// Workers therefore watch a counter for a moment (<see cref="SpinMicroseconds"/>), then watch it while offering their core to
/// others (<see cref="YieldMicroseconds"/>), then sleep: an idle pool uses no CPU, and a run that finds sleepers wakes them.
/// The moment is short: of two pools on the same cores, the one that watches keeps the other from the work that it waits for, and to offer
/// a core that nobody wants costs a fraction of a microsecond.
/// </para>
/// <para>
/// Inside a run, <see cref="Barrier"/> separates phases. If a worker throws, the others leave at their next barrier and
/// <see cref="Run"/> throws the first exception on the caller's thread; the pool stays usable.
/// </para>
/// <para>Any thread may call <see cref="Run"/>; concurrent calls wait for each other. Not reentrant.</para>
/// </remarks>
internal sealed class WorkerPool : IDisposable
{
    private const int SpinMicroseconds = 6;
    private const int YieldMicroseconds = 400;
    private readonly Lock _runGate = new();
    private readonly object _sleepGate = new();
    private readonly Thread[] _threads;
    private ParallelWork? _work;
    private ExceptionDispatchInfo? _error;
    private int _sleeping;
    private bool _stopping;
    private Signals _signals;

    /// <param name="workers">Threads that compute, the caller's included.</param>
    /// <param name="begin">Called first by each of the pool's own threads (not the caller's), with its number.</param>
    public WorkerPool(int workers, Action<int>? begin = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(workers);
        Workers = workers;
        _threads = new Thread[workers - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Work(worker, begin)) { IsBackground = true, Name = $"cpu-worker-{worker}" };
            _threads[i].Start();
        }
    }

    public int Workers { get; }

    /// <summary>Threads that sleep now; for tests.</summary>
    internal int Sleeping => Volatile.Read(ref _sleeping);

    /// <summary>Runs the work on every worker and returns when all have finished.</summary>
    public void Run(ParallelWork work)
    {
        lock (_runGate)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            _work = work;
            _signals.Running = Workers;
            Publish();
            Execute(0);
            var wait = new Backoff();
            while (Volatile.Read(ref _signals.Running) != 0)
            {
                wait.Once();
            }

            _work = null;
            if (_error is { } error)
            {
                _error = null;
                _signals.Arrived = 0;
                error.Throw();
            }
        }
    }

    /// <summary>Waits, inside a run, until every worker has come here: what they wrote before is visible after.</summary>
    public void Barrier()
    {
        if (Workers == 1)
        {
            return;
        }

        int phase = Volatile.Read(ref _signals.Phase);
        if (Interlocked.Increment(ref _signals.Arrived) == Workers)
        {
            _signals.Arrived = 0;
            Volatile.Write(ref _signals.Phase, phase + 1);
            return;
        }

        var wait = new Backoff();
        while (Volatile.Read(ref _signals.Phase) == phase)
        {
            if (Volatile.Read(ref _error) is not null)
            {
                throw new OperationCanceledException("another worker has failed");
            }

            wait.Once();
        }
    }

    public void Dispose()
    {
        lock (_runGate)
        {
            if (_stopping)
            {
                return;
            }

            _stopping = true;
            Publish();
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    private void Publish()
    {
        // A full fence: either a worker that goes to sleep sees the new run, or its entry in _sleeping is seen here.
        Interlocked.Increment(ref _signals.Run);
        if (Volatile.Read(ref _sleeping) > 0)
        {
            lock (_sleepGate)
            {
                Monitor.PulseAll(_sleepGate);
            }
        }
    }

    private void Work(int worker, Action<int>? begin)
    {
        begin?.Invoke(worker);
        int seen = 0;
        while (true)
        {
            seen = AwaitRun(seen);
            if (_stopping)
            {
                return;
            }

            Execute(worker);
        }
    }

    private void Execute(int worker)
    {
        try
        {
            _work!.Execute(worker);
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _error, ExceptionDispatchInfo.Capture(e), null);
        }

        Interlocked.Decrement(ref _signals.Running);
    }

    private int AwaitRun(int seen)
    {
        var wait = new Backoff();
        while (!wait.IsExhausted)
        {
            int run = Volatile.Read(ref _signals.Run);
            if (run != seen)
            {
                return run;
            }

            wait.Once();
        }

        lock (_sleepGate)
        {
            Interlocked.Increment(ref _sleeping);
            while (Volatile.Read(ref _signals.Run) == seen)
            {
                Monitor.Wait(_sleepGate);
            }

            Interlocked.Decrement(ref _sleeping);
        }

        return Volatile.Read(ref _signals.Run);
    }

    /// <summary>Waiting in steps: spin, then yield the core, then (for those who may) sleep.</summary>
    private struct Backoff
    {
        private static readonly long Frequency = System.Diagnostics.Stopwatch.Frequency;
        private long _started;
        private int _spins;

        public bool IsExhausted { get; private set; }

        public void Once()
        {
            // The clock is read rarely: the first spins, which are the usual case, stay free of it.
            if (++_spins % 64 != 0)
            {
                Thread.SpinWait(1);
                return;
            }

            long now = System.Diagnostics.Stopwatch.GetTimestamp();
            _started = _started == 0 ? now : _started;
            long microseconds = (now - _started) * 1_000_000 / Frequency;
            if (microseconds > SpinMicroseconds)
            {
                IsExhausted = microseconds > SpinMicroseconds + YieldMicroseconds;
                Thread.Yield();
                _spins = 63;
            }
        }
    }

    /// <summary>Words that workers watch, each on a cache line of its own.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 320)]
    private struct Signals
    {
        [FieldOffset(64)]
        public int Run;

        [FieldOffset(128)]
        public int Running;

        [FieldOffset(192)]
        public int Phase;

        [FieldOffset(256)]
        public int Arrived;
    }
}
