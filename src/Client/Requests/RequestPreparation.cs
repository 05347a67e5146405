namespace ServingGrid.Client.Requests;

/// <summary>What is checked and settled once, before the first attempt at a request.</summary>
internal static class RequestPreparation
{
    /// <summary>
    /// Checks the request against the model and gives it a seed if it has none: every attempt draws the same tokens then.
    /// </summary>
    /// <exception cref="GridException">
    /// <see cref="GridError.InvalidRequest"/>, or <see cref="GridError.ModelChanged"/>: the prompt was made for another file.
    /// </exception>
    public static GenerateRequest Prepare(GenerateRequest request, ModelCard model)
    {
        if (request.Fingerprint is { } fingerprint && fingerprint != model.Fingerprint)
        {
            throw new GridException(GridError.ModelChanged, $"Model {model.Name} is another file than the one that the prompt was made for.");
        }

        int[] prompt = request.Prompt;
        if (prompt.Length == 0)
        {
            throw Invalid("The prompt holds no token.", "prompt");
        }

        int wrong = Array.FindIndex(prompt, token => (uint)token >= (uint)model.VocabularySize);
        if (wrong >= 0)
        {
            throw Invalid($"Token {prompt[wrong]} at position {wrong} is not in the model's vocabulary of {model.VocabularySize}.", "prompt");
        }

        if (prompt.Length >= model.ContextLength)
        {
            throw Invalid($"The prompt has {prompt.Length} tokens; the context of {model.ContextLength} tokens has to hold it and the answer.", "prompt");
        }

        if (request.MaxTokens is < 1)
        {
            throw Invalid($"max_tokens must be at least 1, not {request.MaxTokens}.", "max_tokens");
        }

        if (request.MaxTokens > model.ContextLength - prompt.Length)
        {
            throw Invalid(
                $"The prompt's {prompt.Length} tokens and max_tokens of {request.MaxTokens} exceed the context of {model.ContextLength} tokens.", "max_tokens");
        }

        if (request.MinTokens < 0 || request.MinTokens > (request.MaxTokens ?? model.ContextLength - prompt.Length))
        {
            throw Invalid($"min_tokens must be 0 … max_tokens, not {request.MinTokens}.", "min_tokens");
        }

        if (request.StopStrings.Any(string.IsNullOrEmpty))
        {
            throw Invalid("A stop string is empty.", "stop");
        }

        SamplingOptions sampling = request.Sampling;
        if (sampling.Check(model.VocabularySize) is { } outOfRange)
        {
            throw Invalid($"{outOfRange.Message}.", outOfRange.Parameter);
        }

        return request with
        {
            // Tokens of unknown origin: the same file for every attempt, since the tokens of one are the prompt of the next.
            Fingerprint = model.Fingerprint,
            MaxTokens = request.MaxTokens ?? model.ContextLength - prompt.Length,
            Sampling = sampling.Seed is null ? sampling with { Seed = Random.Shared.NextInt64() } : sampling,
        };
    }

    private static GridException Invalid(string message, string parameter) => new(GridError.InvalidRequest, message) { Parameter = parameter };
}
