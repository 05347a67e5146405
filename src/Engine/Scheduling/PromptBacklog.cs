namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// Prompt tokens that an engine has yet to compute, by what a new prompt of another device would find before it: a short one overtakes longer ones
/// (<see cref="PromptTurn"/>), so that it waits for less.
/// </summary>
/// <param name="AheadOf128">Before one of up to 128 tokens.</param>
/// <param name="AheadOf512">Before one of up to 512 tokens.</param>
/// <param name="AheadOf2048">Before one of up to 2,048 tokens.</param>
/// <param name="All">All of them.</param>
public readonly record struct PromptBacklog(long AheadOf128, long AheadOf512, long AheadOf2048, long All)
{
    /// <summary>What a long prompt delays a short one by that overtakes it: a step that has begun ends first. It takes at least so many tokens.</summary>
    public const int StepTokens = 128;

    /// <summary>Tokens that are computed before a new prompt of <paramref name="tokens"/>.</summary>
    public long AheadOf(int tokens)
    {
        long ahead = tokens <= 128 ? AheadOf128 : tokens <= 512 ? AheadOf512 : tokens <= 2048 ? AheadOf2048 : All;
        return ahead + Math.Min(StepTokens, All - ahead);
    }

    /// <summary>With a prompt that has <paramref name="tokens"/> left and comes before new ones of more than <paramref name="overtakenBy"/> tokens.</summary>
    internal PromptBacklog With(long tokens, long overtakenBy) => new(
        AheadOf128 + (overtakenBy < 128 ? tokens : 0), AheadOf512 + (overtakenBy < 512 ? tokens : 0), AheadOf2048 + (overtakenBy < 2048 ? tokens : 0), All + tokens);
}
