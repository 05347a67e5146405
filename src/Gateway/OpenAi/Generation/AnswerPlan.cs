using ServingGrid.Client;
using ServingGrid.Gateway.Errors;
using ServingGrid.Gateway.OpenAi.Requests;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>
/// The requests behind one HTTP request: each prompt as often as it has choices. The choice at index <c>i</c> answers prompt
/// <c>i / ChoicesPerPrompt</c>.
/// </summary>
internal sealed record AnswerPlan(IReadOnlyList<GenerateRequest> Requests, int ChoicesPerPrompt)
{
    private const int MaxRequests = 128;

    /// <param name="fields">What the client asked for.</param>
    /// <param name="prompts">Tokens of each prompt.</param>
    /// <param name="card">The model.</param>
    /// <param name="requestId">Id of the HTTP request; what is added to it keeps live ones apart even if a client repeats itself.</param>
    /// <param name="promptParam">The field that a prompt which is too long is blamed on.</param>
    /// <exception cref="ApiException">400: too many choices, or a prompt that leaves no room for an answer.</exception>
    public static AnswerPlan Create(GenerationFields fields, IReadOnlyList<int[]> prompts, ModelCard card, string requestId, string promptParam)
    {
        int count = prompts.Count * fields.Choices;
        if (count > MaxRequests)
        {
            throw ApiException.Invalid($"{prompts.Count} prompts with {fields.Choices} answers each are more than {MaxRequests} answers.", "n");
        }

        foreach (int[] prompt in prompts)
        {
            CheckLength(prompt, card, promptParam);
        }

        CheckBiases(fields.Sampling, card);
        string unique = $"{requestId}-{Guid.NewGuid().ToString("N")[..8]}";
        var requests = Enumerable.Range(0, count).Select(i => new GenerateRequest
        {
            RequestId = $"{unique}-{i}",
            Model = card.Name,
            Prompt = prompts[i / fields.Choices],

            // What texts were tokenized with, and what tokens from outside were checked against.
            Fingerprint = card.Fingerprint,
            Sampling = fields.Sampling with { Seed = DeriveSeed(fields.Sampling.Seed, i % fields.Choices) },
            MaxTokens = fields.MaxTokens ?? (fields.DefaultMaxTokens is { } most ? Math.Min(most, card.ContextLength - prompts[i / fields.Choices].Length) : null),
            MinTokens = fields.MinTokens,
            IgnoreEos = fields.IgnoreEos,
            StopStrings = fields.Stops,
            CacheSalt = fields.CacheSalt,
            Priority = fields.Priority,
        });
        return new AnswerPlan([.. requests], fields.Choices);
    }

    /// <summary>
    /// The first choice has the client's own seed, so that it does not change when more are asked for; the others have the outputs of
    /// SplitMix64 (Steele, Lea, Flood 2014) from there.
    /// </summary>
    private static long? DeriveSeed(long? seed, int choice)
    {
        if (seed is not { } value || choice == 0)
        {
            return seed;
        }

        ulong z = unchecked((ulong)value + ((ulong)choice * 0x9E3779B97F4A7C15UL));
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EBUL);
        return unchecked((long)(z ^ (z >> 31)));
    }

    private static void CheckLength(int[] prompt, ModelCard card, string param)
    {
        if (prompt.Length >= card.ContextLength)
        {
            throw ApiException.TooLong(prompt.Length, card, param);
        }
    }

    private static void CheckBiases(SamplingOptions sampling, ModelCard card)
    {
        if (sampling.LogitBias?.Keys.Any(token => token >= card.VocabularySize) == true)
        {
            throw ApiException.Invalid($"'logit_bias' has a token beyond the vocabulary of {card.VocabularySize}.", "logit_bias");
        }
    }
}
