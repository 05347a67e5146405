using CsCheck;
using ServingGrid.Kernels.Cpu.Threading;

namespace ServingGrid.Kernels.Tests.Cpu.Threading;

public sealed class WorkSharesTests
{
    [Fact]
    public void Next_AnyOrderOfWorkers_EachNumberOnce() =>
        Gen.Select(Gen.Int[1, 6], Gen.Int[0, 40], Gen.Bool, Gen.Int[0, 5].Array[200]).Sample((workers, count, inTurns, order) =>
        {
            var shares = new WorkShares(workers, inTurns);
            for (int run = 0; run < 2; run++)
            {
                shares.Reset(count);
                var taken = new List<int>();
                foreach (int worker in order.Select(x => x % workers))
                {
                    int expected = shares.Peek(worker);
                    int next = shares.Next(worker);
                    Assert.True(expected < 0 || expected == next);
                    if (next >= 0)
                    {
                        taken.Add(next);
                    }
                }

                Assert.Equal(Enumerable.Range(0, count), taken.Order());
            }
        });

    [Fact]
    public void Next_OneWorkerHeldUp_OthersTakeItsShareInOrder()
    {
        var shares = new WorkShares(2);
        shares.Reset(6);
        Assert.Equal(0, shares.Next(0));
        Assert.Equal((int[])[3, 4, 5, 1, 2, -1], Enumerable.Range(0, 6).Select(_ => shares.Next(1)).ToArray());
        Assert.Equal(-1, shares.Next(0));

        var turns = new WorkShares(2, inTurns: true);
        turns.Reset(5);
        Assert.Equal((int[])[1, 3, 0, 2, 4, -1], Enumerable.Range(0, 6).Select(_ => turns.Next(1)).ToArray());
    }

    [Fact]
    public void Next_FromAllThreadsAtOnce_EachNumberOnce()
    {
        const int Workers = 4;
        const int Count = 20_000;
        var shares = new WorkShares(Workers);
        shares.Reset(Count);
        int[] taken = new int[Count];
        Parallel.For(0, Workers, worker =>
        {
            int next;
            while ((next = shares.Next(worker)) >= 0)
            {
                Interlocked.Increment(ref taken[next]);
            }
        });
        Assert.All(taken, times => Assert.Equal(1, times));
    }
}
