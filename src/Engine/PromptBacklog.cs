using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine;

/// <summary>
/// Prompt tokens that an engine has yet to compute, by what a new prompt of another device would find before it: a short one overtakes longer ones, so that it waits for less.
/// </summary>
/// <param name="AheadOf128">Before one of up to 128 tokens.</param>
/// <param name="AheadOf512">Before one of up to 512 tokens.</param>
/// <param name="AheadOf2048">Before one of up to 2,048 tokens.</param>
/// <param name="All">All of them.</param>
public readonly record struct PromptBacklog(long AheadOf128, long AheadOf512, long AheadOf2048, long All)
{
    /// <summary>Tokens that are computed before a new prompt of <paramref name="tokens"/>: what is ahead of it, and the step that has begun.</summary>
    public long AheadOf(int tokens)
    {
        long ahead = tokens <= 128 ? AheadOf128 : tokens <= 512 ? AheadOf512 : tokens <= 2048 ? AheadOf2048 : All;
        return ahead + Math.Min(PromptPace.LeastHandedOver, All - ahead);
    }

    /// <summary>With a prompt of another device that has just been sent.</summary>
    public PromptBacklog With(int tokens) => With(tokens, PromptTurn.OvertakenBy(tokens));

    /// <summary>With a prompt that has <paramref name="tokens"/> left and that new ones of fewer than <paramref name="overtakenBy"/> tokens overtake.</summary>
    internal PromptBacklog With(long tokens, long overtakenBy) => new(
        AheadOf128 + (overtakenBy <= 128 ? tokens : 0), AheadOf512 + (overtakenBy <= 512 ? tokens : 0), AheadOf2048 + (overtakenBy <= 2048 ? tokens : 0), All + tokens);
}
