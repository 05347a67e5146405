using ServingGrid.Engine.Scheduling;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Engine.Stopping;

/// <summary>When an answer ends. One per sequence; engine's thread.</summary>
internal sealed class StopRules
{
    private readonly IReadOnlyList<int> _endTokens;
    private readonly SequenceRequest _request;
    private readonly IncrementalDetokenizer? _text;
    private readonly StopStringMatcher? _matcher;
    private int _answerLength;

    /// <param name="endTokens">The vocabulary's end-of-generation tokens.</param>
    /// <param name="request">Its answer so far is taken note of.</param>
    /// <param name="tokenizer">Needed for stop strings.</param>
    public StopRules(IReadOnlyList<int> endTokens, SequenceRequest request, Tokenizer? tokenizer)
    {
        _endTokens = endTokens;
        _request = request;
        if (request.StopStrings.Count > 0 && tokenizer is not null)
        {
            _text = new IncrementalDetokenizer(tokenizer);
            _matcher = new StopStringMatcher(request.StopStrings);
            foreach (int token in request.Prompt.AsSpan()[^request.GeneratedInPrompt..])
            {
                Add(token);
            }
        }
    }

    /// <summary>Tokens that must not be chosen next: before the minimum length, those that would end the answer.</summary>
    public IReadOnlyList<int> Forbidden(int answerLength) => !_request.IgnoreEos && answerLength < _request.MinTokens ? _endTokens : [];

    /// <summary>True if <paramref name="token"/> ends the answer instead of being a part of it.</summary>
    public bool Ends(int token)
    {
        for (int i = 0; i < _endTokens.Count && !_request.IgnoreEos; i++)
        {
            if (_endTokens[i] == token)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes note of the answer's next token. Stop strings are looked for in the text of the tokens after the minimum length, as clients do.</summary>
    public void Add(int token)
    {
        if (_matcher is null)
        {
            return;
        }

        string piece = _text!.Append(token);
        if (++_answerLength > _request.MinTokens)
        {
            _matcher.Append(piece);
        }
    }

    /// <summary>Whether the answer, as it stands, is at its end.</summary>
    public (FinishCause Cause, string? StopString)? Reached(Sequence sequence)
    {
        if (_matcher?.Found is { } found)
        {
            return (FinishCause.Stop, found);
        }

        return sequence.Count >= sequence.Limit ? (FinishCause.Length, null) : null;
    }
}
