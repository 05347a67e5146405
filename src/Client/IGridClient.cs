using System.Text.Json.Nodes;

namespace ServingGrid.Client;

/// <summary>
/// The grid as an application sees it: text in, text out, from any process. Implemented by <c>GridClient</c>; thread-safe.
/// </summary>
public interface IGridClient
{
    /// <summary>The models served now.</summary>
    Task<IReadOnlyList<ModelCard>> GetModelsAsync(CancellationToken cancellation = default);

    /// <summary>The tokenizer and chat template of a model, fetched from the grid once and kept until the grid serves another file under its name.</summary>
    /// <exception cref="GridException"><see cref="GridError.ModelNotFound"/></exception>
    Task<ModelText> GetModelTextAsync(string model, CancellationToken cancellation = default);

    /// <summary>Silos, devices, queues and requests in flight: for operators.</summary>
    /// <exception cref="GridException"><see cref="GridError.Unavailable"/>: the grid does not answer within seconds.</exception>
    Task<GridStatus> GetStatusAsync(CancellationToken cancellation = default);

    /// <summary>
    /// Generates one answer. Items come as the grid produces them; the last has a <see cref="TextUpdate.Finish"/>. Cancelling, or
    /// leaving the enumeration, stops the request in the grid.
    /// </summary>
    /// <exception cref="GridException">As its <see cref="GridError"/> says; items already yielded stay valid.</exception>
    IAsyncEnumerable<TextUpdate> GenerateAsync(GenerateRequest request, CancellationToken cancellation = default);
}

/// <summary>A piece of an answer, detokenized: never half a character, never a part of a stop string.</summary>
public sealed record TextUpdate
{
    /// <summary>New text; may be empty while a character or a possible stop string is incomplete.</summary>
    public string Text { get; init; } = "";

    /// <summary>The tokens behind this item, with their log-probabilities when asked for.</summary>
    public IReadOnlyList<GeneratedToken> Tokens { get; init; } = [];

    /// <summary>With the last item.</summary>
    public FinishReason? Finish { get; init; }

    /// <summary>With the last item.</summary>
    public GenerateUsage? Usage { get; init; }

    /// <summary>
    /// Class of the arithmetic that this item's tokens were computed in: the same request yields the same tokens within a class. Another
    /// one than before says that the answer went on in it (<see cref="GridClientOptions.AllowNumericsChange"/>). Null when the silo does
    /// not say.
    /// </summary>
    public string? Numerics { get; init; }

    /// <summary>
    /// With the last item: the classes that earlier parts of the answer were computed in, in order; empty for an answer of one class.
    /// </summary>
    public IReadOnlyList<string> ChangedFrom { get; init; } = [];
}

/// <summary>What a client needs of a model to speak text. Immutable, thread-safe.</summary>
public abstract class ModelText
{
    public abstract ModelCard Card { get; }

    public abstract Model.Tokenization.Tokenizer Tokenizer { get; }

    /// <summary>True when the model file has a chat template.</summary>
    public abstract bool HasChatTemplate { get; }

    /// <summary>Prompt tokens of a chat (special tokens of the template recognised).</summary>
    /// <exception cref="GridException"><see cref="GridError.InvalidRequest"/>: no template, or the template refuses the messages.</exception>
    public abstract int[] RenderChat(JsonArray messages, JsonArray? tools = null, JsonObject? variables = null, bool addGenerationPrompt = true);
}
