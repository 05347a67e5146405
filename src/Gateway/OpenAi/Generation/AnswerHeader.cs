using ServingGrid.Client;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>What is the same in every chunk of an answer.</summary>
internal sealed record AnswerHeader(string Id, long Created, string Model, string SystemFingerprint)
{
    public static AnswerHeader Create(string idPrefix, ModelCard card, DateTimeOffset now) =>
        new($"{idPrefix}-{Guid.NewGuid():N}", now.ToUnixTimeSeconds(), card.Name, $"fp_{card.Fingerprint[..Math.Min(12, card.Fingerprint.Length)]}");
}
