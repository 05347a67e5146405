using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Stopping;

/// <summary>When an answer ends. One per sequence; engine's thread.</summary>
internal sealed class StopRules(IReadOnlyList<int> endTokens, SequenceRequest request)
{
    /// <summary>Tokens that must not be chosen next: before the minimum length, those that would end the answer.</summary>
    public IReadOnlyList<int> Forbidden(int answerLength) => !request.IgnoreEos && answerLength < request.MinTokens ? endTokens : [];

    /// <summary>True if <paramref name="token"/> ends the answer instead of being a part of it.</summary>
    public bool Ends(int token)
    {
        for (int i = 0; i < endTokens.Count && !request.IgnoreEos; i++)
        {
            if (endTokens[i] == token)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes note of a token of the answer.</summary>
    public void Add(Sequence sequence, int token)
    {
    }

    /// <summary>Whether the answer, as it stands, is at its end.</summary>
    public (FinishCause Cause, string? StopString)? Reached(Sequence sequence) =>
        sequence.Count >= sequence.Limit ? (FinishCause.Length, null) : null;
}
