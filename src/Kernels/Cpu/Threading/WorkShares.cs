namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>
/// Hands out the numbers 0 … count − 1 to competing workers: each takes its own share, in order, then helps the others with theirs.
/// Who gets which does not change any result: a core that is busy elsewhere delays only what it has begun.
/// </summary>
/// <remarks>
/// What a worker takes next is known ahead, so that it can ask for the memory; and workers seldom write the same counter.
/// <see cref="Reset"/> before a run, the others inside it, from any worker.
/// </remarks>
/// <param name="workers">Workers.</param>
/// <param name="inTurns">
/// Shares: false, runs of neighbours, which a worker reads from memory as one stream; true, every <paramref name="workers"/>-th number, which keeps
/// the order where the largest pieces come first.
/// </param>
internal sealed class WorkShares(int workers, bool inTurns = false)
{
    private readonly WorkCounter[] _counters = new WorkCounter[workers];
    private int _count;

    public void Reset(int count)
    {
        _count = count;
        foreach (ref WorkCounter counter in _counters.AsSpan())
        {
            counter.Reset();
        }
    }

    /// <summary>The next number for a worker, or −1 when all are taken.</summary>
    public int Next(int worker)
    {
        for (int i = 0; i < workers; i++)
        {
            int share = (worker + i) % workers;
            int length = Length(share);
            if (_counters[share].Peek() < length && _counters[share].Next() is var index && index < length)
            {
                return Number(share, index);
            }
        }

        return -1;
    }

    /// <summary>What the worker will probably be given next, or −1: worth asking memory for, no more.</summary>
    public int Peek(int worker)
    {
        int index = _counters[worker].Peek();
        return index < Length(worker) ? Number(worker, index) : -1;
    }

    private int Number(int share, int index) => inTurns ? index * workers + share : Start(share) + index;

    private int Length(int share) => inTurns ? (_count - share + workers - 1) / workers : Start(share + 1) - Start(share);

    private int Start(int share) => (int)((long)_count * share / workers);
}
