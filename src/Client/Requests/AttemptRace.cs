namespace ServingGrid.Client.Requests;

/// <summary>
/// Starts an attempt and, as long as nothing answers, others beside it: a frozen silo says neither yes nor no, on whichever way it lies
/// (the client's connection, the device chosen), and membership needs seconds to find out. The first that answers goes on; the grid drops the
/// others within a step. Hedged requests, after Dean and Barroso, "The tail at scale", 2013.
/// </summary>
/// <param name="open">Starts the next attempt, given the number of those under way; null when there may be no more.</param>
/// <param name="isFinal">
/// Told of each attempt that has failed, the losers included: true for a failure that every other attempt would meet, too.
/// </param>
/// <param name="patience">Silence after which another one is started; null: never.</param>
/// <param name="time">Clock.</param>
internal sealed class AttemptRace(
    Func<int, AttemptReader?> open, Func<AttemptReader, ValueTask<bool>> isFinal, TimeSpan? patience, TimeProvider time)
{
    /// <summary>Most attempts under way at once: by the time of the last, one second after the other, membership has found out.</summary>
    public const int Most = 4;

    private readonly List<AttemptReader> _running = [];

    /// <summary>The attempt to read: one that has answered, or the last one when all have failed. The caller disposes it.</summary>
    public async Task<AttemptReader> RunAsync(CancellationToken cancellation)
    {
        try
        {
            _running.Add(open(0)!);
            AttemptReader? winner = await Answered(cancellation);
            while (winner is null)
            {
                winner = await Answered(cancellation);
            }

            _running.Remove(winner);
            return winner;
        }
        finally
        {
            foreach (AttemptReader loser in _running)
            {
                await loser.DisposeAsync();
            }

            foreach (AttemptReader loser in _running)
            {
                await isFinal(loser);
            }
        }
    }

    /// <summary>Waits for one answer, failure or silence; null when the race goes on.</summary>
    private async Task<AttemptReader?> Answered(CancellationToken cancellation)
    {
        if (!_running.Exists(reader => reader.Answered.IsCompleted) && !await IsSettled(cancellation))
        {
            if (open(_running.Count) is { } another)
            {
                _running.Add(another);
            }
            else
            {
                patience = null;
            }

            return null;
        }

        cancellation.ThrowIfCancellationRequested();
        AttemptReader settled = _running.Find(reader => reader.Answered is { IsCompletedSuccessfully: true, Result: true }) ?? _running.First(reader => reader.Answered.IsCompleted);
        if (settled.Answered is { IsCompletedSuccessfully: true, Result: true } || await isFinal(settled) || _running.Count == 1)
        {
            return settled;
        }

        _running.Remove(settled);
        await settled.DisposeAsync();
        return null;
    }

    /// <summary>False when patience has run out, and another attempt may be started.</summary>
    private async Task<bool> IsSettled(CancellationToken cancellation)
    {
        Task<Task<bool>> any = Task.WhenAny(_running.Select(reader => reader.Answered));
        if (patience is not { } silence || _running.Count == Most)
        {
            // The attempts have deadlines of their own.
            await any.WaitAsync(cancellation);
            return true;
        }

        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task first = await Task.WhenAny(any, Task.Delay(silence, time, enough.Token));
        await enough.CancelAsync();
        cancellation.ThrowIfCancellationRequested();
        return first == any;
    }
}
