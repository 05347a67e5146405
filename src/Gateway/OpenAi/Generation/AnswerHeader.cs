using ServingGrid.Client;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>What every chunk of an answer is written from. For one thread.</summary>
internal sealed record AnswerHeader(string Id, long Created, string Model, string ModelFingerprint)
{
    // Nearly all chunks have the one before's.
    private (string? Class, string Text)? _last;

    public static AnswerHeader Create(string idPrefix, ModelCard card, DateTimeOffset now) =>
        new($"{idPrefix}-{Guid.NewGuid():N}", now.ToUnixTimeSeconds(), card.Name, $"fp_{card.Fingerprint[..Math.Min(12, card.Fingerprint.Length)]}");

    /// <summary>
    /// OpenAI's <c>system_fingerprint</c> of a chunk: the model and the class of arithmetic (<see cref="TextUpdate.Numerics"/>) that its
    /// tokens were computed in, if the silo said. The same request and seed give the same tokens under the same fingerprint.
    /// </summary>
    public string SystemFingerprint(string? numerics)
    {
        if (_last is not { } last || last.Class != numerics)
        {
            _last = last = (numerics, numerics is null ? ModelFingerprint : $"{ModelFingerprint}/{numerics}");
        }

        return last.Text;
    }

    /// <summary>Of a whole answer: with every class that a part of it was computed in.</summary>
    public string SystemFingerprint(IReadOnlyList<string> classes) =>
        SystemFingerprint(classes.Count == 0 ? null : string.Join('+', classes));
}
