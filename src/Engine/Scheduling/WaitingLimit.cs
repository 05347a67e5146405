namespace ServingGrid.Engine.Scheduling;

/// <summary>Counts accepted sequences that have not had blocks yet, and refuses the one too many. Thread-safe.</summary>
internal sealed class WaitingLimit(int most)
{
    private int _count;

    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _count) <= most)
        {
            return true;
        }

        Leave();
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _count);
}
