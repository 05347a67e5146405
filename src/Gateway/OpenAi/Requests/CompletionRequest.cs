using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>The body of <c>POST /v1/completions</c>.</summary>
internal sealed record CompletionRequest(GenerationFields Generation, PromptInput Prompt, bool Echo)
{
    private const int DefaultMaxTokens = 16; // OpenAI's
    private const int MaxLogProbabilities = 20;

    /// <exception cref="ApiException">400, with the field at fault.</exception>
    public static CompletionRequest Read(RequestFields fields)
    {
        int? logProbabilities = fields.Integer("logprobs", 0, MaxLogProbabilities);
        bool echo = fields.Flag("echo");
        if (echo && logProbabilities is not null)
        {
            throw ApiException.Invalid("'echo' with 'logprobs' is not supported: log-probabilities of the prompt are not computed.", "echo");
        }

        if (!string.IsNullOrEmpty(fields.Text("suffix")))
        {
            throw ApiException.Invalid("'suffix' is not supported.", "suffix");
        }

        var generation = GenerationFields.Read(fields, DefaultMaxTokens, logProbabilities);
        if (fields.Integer("best_of", 1, int.MaxValue) is { } bestOf && bestOf != generation.Choices)
        {
            throw ApiException.Invalid("'best_of' is not supported other than equal to 'n'.", "best_of");
        }

        return new CompletionRequest(generation, PromptInput.Read(fields.Require("prompt")), echo);
    }
}
