using ServingGrid.Model.Tokenization;

namespace ServingGrid.Client.Requests;

/// <summary>
/// The text of one answer from its tokens: never half a character, never a part of a stop string. A stop string is looked for in the
/// text of the tokens after the first <see cref="GenerateRequest.MinTokens"/>, as the engine does.
/// </summary>
internal sealed class TextAssembler(Tokenizer tokenizer, GenerateRequest request)
{
    private readonly IncrementalDetokenizer _detokenizer = new(tokenizer);
    private readonly StopStringMatcher _stops = new(request.StopStrings);
    private readonly List<string> _earlier = [];
    private string? _numerics;
    private int _tokens;

    /// <summary>
    /// The next piece; one with a finish is the last. When a stop string ends the answer, the finish comes with the grid's next
    /// item, which has the usage (the engine looks for the same strings, so that it is at most one step away).
    /// </summary>
    public TextUpdate Append(GenerateUpdate update)
    {
        NoteNumerics(update.Numerics);
        if (_stops.Found is not null)
        {
            return Stopped("", [], update.Usage);
        }

        string text = "";
        for (int i = 0; i < update.Tokens.Count; i++)
        {
            string piece = _detokenizer.Append(update.Tokens[i].Token);
            _tokens++;
            text += _tokens > request.MinTokens ? _stops.Append(piece) : piece;
            if (_stops.Found is not null)
            {
                IReadOnlyList<GeneratedToken> tokens = [.. update.Tokens.Take(i + 1)];
                return update.Finish is null
                    ? new TextUpdate { Text = text, Tokens = tokens, Numerics = _numerics }
                    : Stopped(text, tokens, update.Usage);
            }
        }

        if (update.Finish is null)
        {
            return new TextUpdate { Text = text, Tokens = update.Tokens, Numerics = _numerics };
        }

        text += _stops.Append(_detokenizer.Flush());
        return _stops.Found is not null
            ? Stopped(text, update.Tokens, update.Usage)
            : new TextUpdate
            {
                Text = text + _stops.Flush(),
                Tokens = update.Tokens,
                Finish = update.Finish,
                Usage = update.Usage,
                Numerics = _numerics,
                ChangedFrom = _earlier,
            };
    }

    private void NoteNumerics(string? numerics)
    {
        if (numerics is not null && numerics != _numerics)
        {
            if (_numerics is not null)
            {
                _earlier.Add(_numerics);
            }

            _numerics = numerics;
        }
    }

    private TextUpdate Stopped(string text, IReadOnlyList<GeneratedToken> tokens, GenerateUsage? usage) => new()
    {
        Text = text,
        Tokens = tokens,
        Finish = FinishReason.Stop,
        Numerics = _numerics,
        ChangedFrom = _earlier,
        Usage = new GenerateUsage
        {
            PromptTokens = request.Prompt.Length,
            CachedTokens = usage?.CachedTokens ?? 0,
            CompletionTokens = _tokens,
        },
    };
}
