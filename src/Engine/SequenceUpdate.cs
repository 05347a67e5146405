namespace ServingGrid.Engine;

/// <summary>Why a sequence ended.</summary>
public enum FinishCause
{
    /// <summary>An end-of-generation token or a stop string.</summary>
    Stop,

    /// <summary>The token limit or the context's end.</summary>
    Length,

    /// <summary>Cancelled by its owner.</summary>
    Cancelled,
}

/// <summary>A token with the natural logarithm of its probability under the model (before bias, penalties and temperature).</summary>
public readonly record struct TokenProbability(int Token, float LogProbability);

/// <summary>
/// A chosen token. An end-of-generation token that ends the sequence is not reported to its reader.
/// </summary>
/// <param name="Token">Token id.</param>
/// <param name="LogProbability">When asked for.</param>
/// <param name="Top">The most likely tokens at this position, most likely first, when asked for.</param>
public readonly record struct ChosenToken(int Token, float? LogProbability = null, IReadOnlyList<TokenProbability>? Top = null);

/// <summary>What a sequence has used.</summary>
/// <param name="PromptTokens">Without <see cref="SequenceRequest.GeneratedInPrompt"/>.</param>
/// <param name="CachedTokens">Prompt tokens whose KV this device held already when the sequence was first admitted.</param>
/// <param name="CompletionTokens">Answer tokens, <see cref="SequenceRequest.GeneratedInPrompt"/> included.</param>
public readonly record struct SequenceUsage(int PromptTokens, int CachedTokens, int CompletionTokens);

/// <summary>The last word about a sequence.</summary>
/// <param name="Cause">Why it ended.</param>
/// <param name="StopString">The stop string that was met: its tokens were reported, its text is not part of the answer.</param>
/// <param name="Usage">What it used.</param>
/// <param name="Timeline">When it passed its stages.</param>
public sealed record SequenceEnd(FinishCause Cause, string? StopString, SequenceUsage Usage, SequenceTimeline Timeline);

/// <summary>An item of a sequence's stream: a token, or (the last item) its end.</summary>
/// <param name="Token">Set unless <paramref name="End"/> is.</param>
/// <param name="End">Set in the last item.</param>
public readonly record struct SequenceUpdate(ChosenToken? Token, SequenceEnd? End);
