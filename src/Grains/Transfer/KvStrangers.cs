namespace ServingGrid.Grains.Transfer;

/// <summary>
/// Connections that have not proved the secret yet. They take no place from those that have. When there are too many, the oldest is ended: a silo proves
/// itself within a round trip, so the oldest is the one that will not. Thread-safe.
/// </summary>
/// <param name="limit">Most of them at a time.</param>
internal sealed class KvStrangers(int limit)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<CancellationTokenSource> _oldestFirst = new();

    /// <summary>Lets one more in.</summary>
    /// <param name="end">Cancelled when it has to make room.</param>
    /// <returns>To be disposed of before <paramref name="end"/>, when it has proved itself or is gone.</returns>
    public IDisposable Enter(CancellationTokenSource end)
    {
        lock (_lock)
        {
            if (_oldestFirst.Count == limit)
            {
                // Its callbacks run elsewhere: they may leave.
                _ = _oldestFirst.First!.Value.CancelAsync();
                _oldestFirst.RemoveFirst();
            }

            return new Place(this, _oldestFirst.AddLast(end));
        }
    }

    private sealed class Place(KvStrangers strangers, LinkedListNode<CancellationTokenSource> node) : IDisposable
    {
        public void Dispose()
        {
            lock (strangers._lock)
            {
                // Null: it had to make room.
                node.List?.Remove(node);
            }
        }
    }
}
