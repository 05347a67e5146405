using System.Text.Json.Nodes;

namespace ServingGrid.Client;

/// <summary>
/// The grid as an application sees it: text in, text out, from any process. Implemented by <c>GridClient</c>; thread-safe.
/// </summary>
public interface IGridClient
{
    /// <summary>The models served now.</summary>
    Task<IReadOnlyList<ModelCard>> GetModelsAsync(CancellationToken cancellation = default);

    /// <summary>Which models a device takes requests for at this moment, or why there is none. Cheap: for probes.</summary>
    /// <exception cref="GridException"><see cref="GridError.Unavailable"/>: the grid does not answer within seconds.</exception>
    Task<GridHealth> GetHealthAsync(CancellationToken cancellation = default);

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

    /// <summary>
    /// Tokens of a text. One that is far beyond the context is given up early: twice the context is counted, so that who is a little above
    /// it learns by how much.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="parameter">The request's field that it is in, for the error.</param>
    /// <param name="addSpecial">Add the tokens that the model file asks for around a text.</param>
    /// <exception cref="GridException"><see cref="GridError.InvalidRequest"/>: more than twice the context.</exception>
    public int[] Encode(string text, string parameter, bool addSpecial = true) =>
        Tokenizer.TryEncode(text, addSpecial, parseSpecial: true, CountedTokens) ?? throw TooLong(parameter);

    /// <summary>Most bytes of text, in UTF-8, that a prompt can be made of; null where that depends on the text.</summary>
    public long? MostPromptBytes => Tokenizer.MostBytes(CountedTokens);

    /// <summary>What is to be said of a prompt that is longer than <see cref="MostPromptBytes"/>.</summary>
    /// <param name="parameter">The request's field that it is in.</param>
    public GridException TooLong(string parameter) => new(
        GridError.InvalidRequest,
        $"The prompt has more than {CountedTokens} tokens; {Card.Name} has a context of {Card.ContextLength}, "
        + "and the answer needs at least one.")
    {
        Parameter = parameter,
        Code = "context_length_exceeded",
    };

    private int CountedTokens => (int)Math.Min(int.MaxValue, Card.ContextLength * 2L);

    /// <summary>Prompt tokens of a chat (special tokens of the template recognised).</summary>
    /// <exception cref="GridException"><see cref="GridError.InvalidRequest"/>: no template, the template refuses the messages, or the
    /// prompt is far beyond the context.</exception>
    public abstract int[] RenderChat(JsonArray messages, JsonArray? tools = null, JsonObject? variables = null, bool addGenerationPrompt = true);
}
