using ServingGrid.Client;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>Adds up the usage of a plan's answers, and the classes of arithmetic that they were computed in. For one thread.</summary>
internal sealed class AnswerUsage(AnswerPlan plan)
{
    private int _prompt;
    private int _cached;
    private int _completion;
    private readonly List<string> _classes = [];

    /// <summary>In the order in which they came, each once.</summary>
    public IReadOnlyList<string> Classes => _classes;

    /// <summary>Takes note of an item of an answer.</summary>
    public void Note(TextUpdate update)
    {
        if (update.Numerics is { } numerics && !_classes.Contains(numerics))
        {
            _classes.Add(numerics);
        }
    }

    /// <summary>Counts an answer that has ended.</summary>
    public void Add(int index, GenerateUsage usage)
    {
        _completion += usage.CompletionTokens;
        if (index % plan.ChoicesPerPrompt == 0)
        {
            // OpenAI counts a prompt once, however many answers it has.
            _prompt += usage.PromptTokens;
            _cached += usage.CachedTokens;
        }
    }

    public UsageResponse ToResponse() => new(_prompt, _completion, _prompt + _completion, new PromptTokensDetails(_cached));
}
