using System.Collections.Concurrent;

namespace ServingGrid.Client.Requests;

/// <summary>Hands tokens that the grid pushes to the attempts that they are for. One for each client. Thread-safe.</summary>
internal sealed class TokenInbox : ITokenSink
{
    private readonly ConcurrentDictionary<long, AttemptItems> _attempts = new();
    private long _last;

    /// <summary>The name under which tokens for <paramref name="items"/> are accepted until <see cref="Close"/>.</summary>
    public long Open(AttemptItems items)
    {
        long stream = Interlocked.Increment(ref _last);
        _attempts[stream] = items;
        return stream;
    }

    public void Close(long stream) => _attempts.TryRemove(stream, out _);

    /// <inheritdoc/>
    public void Push(PushedTokens[] tokens)
    {
        foreach (PushedTokens item in tokens)
        {
            // Nobody: the attempt has ended in the meantime.
            if (_attempts.TryGetValue(item.Stream, out AttemptItems? items))
            {
                items.Push(item.First, item.Tokens, item.Numerics);
            }
        }
    }
}
