using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Tests.Cpu.Threading;

public sealed class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Run_ManyTimes_EveryWorkerOnceAndWritesSeenAfterTheBarrier(int workers)
    {
        using var pool = new WorkerPool(workers);
        var work = new BarrierWork(pool);
        for (int run = 0; run < 200; run++)
        {
            pool.Run(work);
        }

        Assert.All(work.Calls, calls => Assert.Equal(200, calls));
        Assert.Equal(0, work.Missed);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Run_WorkerThrows_OthersLeaveTheBarrierAndThePoolStaysUsable(int failing)
    {
        using var pool = new WorkerPool(3);
        var failure = new FailingWork(pool, failing);
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal("worker has failed", Assert.Throws<InvalidOperationException>(() => pool.Run(failure)).Message);
        }

        var work = new BarrierWork(pool);
        pool.Run(work);
        Assert.All(work.Calls, calls => Assert.Equal(1, calls));
    }

    [Fact]
    public void Run_AfterAPause_WakesTheSleepers()
    {
        using var pool = new WorkerPool(3);
        var work = new BarrierWork(pool);
        for (int i = 1; i <= 3; i++)
        {
            pool.Run(work);
            Assert.True(SpinWait.SpinUntil(() => pool.Sleeping == 2, TimeSpan.FromSeconds(20)), "idle workers did not go to sleep");
        }

        pool.Run(work);
        Assert.All(work.Calls, calls => Assert.Equal(4, calls));
    }

    [Fact]
    public void Run_FromSeveralThreads_OneAfterTheOther()
    {
        using var pool = new WorkerPool(2);
        var work = new BarrierWork(pool);
        Parallel.For(0, 100, _ => pool.Run(work));
        Assert.All(work.Calls, calls => Assert.Equal(100, calls));
    }

    [Fact]
    public void Dispose_Twice_EndsThreadsAndRefusesWork()
    {
        var pool = new WorkerPool(3);
        pool.Dispose();
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pool.Run(new BarrierWork(pool)));
    }

    [Fact]
    public void Run_SteadyState_AllocatesNothing()
    {
        using var pool = new WorkerPool(2);
        var work = new BarrierWork(pool);

        // The first time that a thread wakes another, .NET allocates: a worker that was late once would show it. So they sleep and are woken before.
        for (int i = 0; i < 10; i++)
        {
            pool.Run(work);
            Thread.Sleep(5);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            pool.Run(work);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>Each worker writes, all meet, each reads what the others wrote.</summary>
    private sealed class BarrierWork(WorkerPool pool) : ParallelWork
    {
        private readonly int[] _written = new int[pool.Workers];
        private int _missed;

        public int[] Calls { get; } = new int[pool.Workers];

        public int Missed => _missed;

        public override void Execute(int worker)
        {
            int round = ++Calls[worker];
            _written[worker] = round;
            pool.Barrier();
            foreach (int written in _written)
            {
                if (written != round)
                {
                    Interlocked.Increment(ref _missed);
                }
            }

            pool.Barrier();
        }
    }

    private sealed class FailingWork(WorkerPool pool, int failing) : ParallelWork
    {
        public override void Execute(int worker)
        {
            if (worker == failing)
            {
                throw new InvalidOperationException("worker has failed");
            }

            pool.Barrier();
        }
    }
}
