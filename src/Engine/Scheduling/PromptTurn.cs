namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// When prompts have their turn. Those of other devices, which nobody reads yet, let shorter ones go first, but never wait for as many tokens of later ones as they have
/// themselves. All others go in order of arrival, and no later one overtakes them. Not thread-safe.
/// </summary>
/// <remarks>
/// A prompt's turn is the number of tokens that were accepted before it, plus its own: the order of arrival. One of another device adds its own once more. What comes later has the first one's
/// tokens, those that came between and its own in its turn, so that it goes first only while the last two together are fewer than the first one has: a bound that needs no clock and no
/// estimate of speed.
/// </remarks>
internal sealed class PromptTurn
{
    private long _accepted;

    /// <summary>The turn of a prompt that is accepted now.</summary>
    public long Next(int tokens, bool forAnotherDevice)
    {
        _accepted += tokens;
        return _accepted + (forAnotherDevice ? tokens : 0);
    }

    /// <summary>New prompts of another device with fewer tokens than this would go before one with this turn.</summary>
    public long OvertakenByNew(long turn) => OvertakenBy(turn - _accepted);

    /// <summary>The same by how far the turn is behind all that was accepted. A new prompt's tokens count twice.</summary>
    public static long OvertakenBy(long distance) => (distance + 1) / 2;
}
