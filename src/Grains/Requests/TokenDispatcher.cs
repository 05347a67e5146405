using System.Collections.Concurrent;
using ServingGrid.Client;

namespace ServingGrid.Grains.Requests;

/// <summary>
/// Takes the tokens of all sequences off the engine when it has published some: one wake-up for a step, and one message for each client, however many
/// streams it has. Rounds never overlap; what appears during one makes the next. Thread-safe.
/// </summary>
internal sealed class TokenDispatcher : IThreadPoolWorkItem
{
    private readonly ConcurrentDictionary<SequenceReader, bool> _readers = new();
    private readonly Dictionary<ITokenSink, List<PushedTokens>> _batches = [];
    private readonly ILogger<TokenDispatcher> _log;
    private int _due;

    public TokenDispatcher(Workers.Worker worker, ILogger<TokenDispatcher> log)
        : this(log) => worker.Published += Wake;

    internal TokenDispatcher(ILogger<TokenDispatcher> log) => _log = log;

    /// <summary>Reads this sequence, too, from now on, until it has ended.</summary>
    public void Add(SequenceReader reader)
    {
        _readers[reader] = true;
        Wake();
    }

    /// <summary>Gives a sequence up, whether or not it has ended.</summary>
    public void Remove(SequenceReader reader) => _readers.TryRemove(reader, out _);

    /// <summary>There is something to read. Returns at once.</summary>
    public void Wake()
    {
        if (Interlocked.Increment(ref _due) == 1)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        int seen;
        do
        {
            seen = Volatile.Read(ref _due);
            Dispatch();
        }
        while (Interlocked.Add(ref _due, -seen) != 0);
    }

    private void Dispatch()
    {
        foreach ((SequenceReader reader, _) in _readers)
        {
            if (reader.Read() is { } tokens)
            {
                if (!_batches.TryGetValue(reader.Sink!, out List<PushedTokens>? batch))
                {
                    _batches.Add(reader.Sink!, batch = []);
                }

                batch.Add(tokens);
            }

            if (reader.Ended)
            {
                Remove(reader);
            }
        }

        foreach ((ITokenSink sink, List<PushedTokens> batch) in _batches)
        {
            try
            {
                sink.Push([.. batch]);
            }
            catch (Exception failure)
            {
                // The silo stops, or the client is gone. The streams have the same tokens.
                _log.PushFailed(failure);
            }
        }

        _batches.Clear();
    }
}
