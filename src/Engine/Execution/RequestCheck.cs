namespace ServingGrid.Engine.Execution;

/// <summary>What is wrong with a request, whatever the engine's load. Pure functions.</summary>
internal static class RequestCheck
{
    /// <summary>Most stop strings of a request.</summary>
    public const int MaxStopStrings = 64;

    /// <summary>The first thing that is wrong, or null.</summary>
    public static Refusal? Check(SequenceRequest request, int vocabularySize, int contextLength, bool hasTokenizer)
    {
        int given = request.Prompt.Length;
        if (given == 0)
        {
            return Invalid("prompt", "the prompt is empty");
        }

        foreach (int token in request.Prompt)
        {
            if ((uint)token >= (uint)vocabularySize)
            {
                return Invalid("prompt", $"token {token} is not in the vocabulary of {vocabularySize}");
            }
        }

        if (request.GeneratedInPrompt < 0 || request.GeneratedInPrompt >= given)
        {
            return Invalid("prompt", $"{request.GeneratedInPrompt} generated tokens leave no prompt of {given}");
        }

        if (request.MaxTokens is < 0)
        {
            return Invalid("max_tokens", $"max_tokens {request.MaxTokens} is negative");
        }

        if (request.MinTokens < 0)
        {
            return Invalid("min_tokens", $"min_tokens {request.MinTokens} is negative");
        }

        if (request.MinTokens > request.MaxTokens)
        {
            return Invalid("min_tokens", $"min_tokens {request.MinTokens} is above max_tokens {request.MaxTokens}");
        }

        if (request.StopStrings.Count > 0 && !hasTokenizer)
        {
            return Invalid("stop", "stop strings need a tokenizer, which this engine does not have");
        }

        if (request.StopStrings.Count > MaxStopStrings || request.StopStrings.Any(string.IsNullOrEmpty))
        {
            return Invalid("stop", $"stop strings must be at most {MaxStopStrings} and none of them empty");
        }

        if (request.Sampling.Check(vocabularySize) is { } wrong)
        {
            return Invalid(wrong.Parameter, wrong.Message);
        }

        return given - request.GeneratedInPrompt >= contextLength
            ? new Refusal(RefusalReason.TooLong, $"a prompt of {given - request.GeneratedInPrompt} tokens leaves no room in a context of {contextLength}", "prompt")
            : null;
    }

    /// <summary>Length, prompt included, at which the sequence ends.</summary>
    public static int Limit(SequenceRequest request, int contextLength) =>
        (int)Math.Min(contextLength, (long)request.Prompt.Length - request.GeneratedInPrompt + (request.MaxTokens ?? contextLength));

    private static Refusal Invalid(string parameter, string message) => new(RefusalReason.InvalidRequest, message, parameter);
}
