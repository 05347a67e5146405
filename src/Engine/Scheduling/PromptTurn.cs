namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// When prompts have their turn. Those of other devices, which nobody reads yet, go shortest first, but never wait for more tokens of later ones than they have
/// themselves; all others go in order of arrival. Not thread-safe.
/// </summary>
/// <remarks>
/// A prompt's turn is the number of tokens accepted before it plus twice its own. One that comes later is accepted after at least the first one's tokens, so that it goes first only
/// while the tokens of all that came between, and twice its own, are fewer than the first one has: a bound that needs no clock and no estimate of speed.
/// </remarks>
internal sealed class PromptTurn
{
    private const int Weight = 2;
    private long _accepted;

    /// <summary>The turn of a sequence that is accepted now.</summary>
    public long Next(Sequence sequence)
    {
        long turn = _accepted + (sequence.Prefill is null ? 0 : (long)Weight * sequence.Count);
        _accepted += sequence.Count;
        return turn;
    }

    /// <summary>New prompts of another device with fewer tokens than this would go first.</summary>
    public long OvertakenBy(Sequence sequence) => (sequence.Turn - _accepted) / Weight;
}
