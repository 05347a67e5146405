using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using ServingGrid.Client;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Gateway.Tests.Support;

/// <summary>A grid of one model that answers as the test says and remembers what it was asked.</summary>
internal sealed class ScriptedGrid : IGridClient
{
    public static readonly ModelCard Card = new()
    {
        Name = "scripted",
        Fingerprint = "0123456789abcdef",
        ContextLength = 256,
        VocabularySize = 257,
        BlockSize = 32,
        Created = DateTimeOffset.UnixEpoch.AddSeconds(1_700_000_000),
    };

    private int _active;

    /// <summary>Requests in the order in which they came.</summary>
    public ConcurrentQueue<GenerateRequest> Requests { get; } = new();

    /// <summary>What the template was given last.</summary>
    public ScriptedText Text { get; } = new();

    public int Active => Volatile.Read(ref _active);

    public Exception? HealthFailure { get; set; }

    public GridHealth Health { get; set; } = new() { Models = [Card.Name] };

    /// <summary>Produces the items of an answer; by default two tokens and a stop.</summary>
    public Func<GenerateRequest, CancellationToken, IAsyncEnumerable<TextUpdate>> Script { get; set; } = (request, _) => Say(request, "Hi", "!");

    public Task<IReadOnlyList<ModelCard>> GetModelsAsync(CancellationToken cancellation = default) =>
        Task.FromResult<IReadOnlyList<ModelCard>>([Card]);

    public Task<GridHealth> GetHealthAsync(CancellationToken cancellation = default) =>
        HealthFailure is null ? Task.FromResult(Health) : Task.FromException<GridHealth>(HealthFailure);

    public GridStatus Status { get; } = new() { At = DateTimeOffset.UnixEpoch, Models = [Card], Devices = [] };

    public Task<GridStatus> GetStatusAsync(CancellationToken cancellation = default) => Task.FromResult(Status);

    /// <summary>What comes before a model is found; by default nothing.</summary>
    public Func<string, CancellationToken, Task> Finding { get; set; } = (_, _) => Task.CompletedTask;

    public async Task<ModelText> GetModelTextAsync(string model, CancellationToken cancellation = default)
    {
        await Finding(model, cancellation);
        return FindText(model);
    }

    private ModelText FindText(string model) => model == Card.Name
        ? Text
        : throw new GridException(GridError.ModelNotFound, $"The model '{model}' does not exist.");

    public async IAsyncEnumerable<TextUpdate> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        Requests.Enqueue(request);
        Interlocked.Increment(ref _active);
        try
        {
            await foreach (TextUpdate update in Script(request, cancellation).WithCancellation(cancellation))
            {
                yield return update;
            }
        }
        finally
        {
            Interlocked.Decrement(ref _active);
        }
    }

    /// <summary>An answer of these pieces, one token each, and the usage that follows from it.</summary>
    public static async IAsyncEnumerable<TextUpdate> Say(GenerateRequest request, params string[] pieces)
    {
        await Task.Yield();
        foreach (string piece in pieces)
        {
            yield return new TextUpdate { Text = piece, Tokens = [Token(piece[0], request.Sampling.LogProbabilities)] };
        }

        yield return new TextUpdate { Finish = FinishReason.Stop, Usage = Usage(request, pieces.Length) };
    }

    public static GenerateUsage Usage(GenerateRequest request, int completion) =>
        new() { PromptTokens = request.Prompt.Length, CachedTokens = request.Prompt.Length / 2, CompletionTokens = completion };

    public static GeneratedToken Token(int token, int? alternatives) => new(token)
    {
        LogProbability = alternatives is null ? null : -0.5f,
        Top = alternatives is > 0 ? [.. Enumerable.Range(0, alternatives.Value).Select(i => new TokenLogProbability(token + i, -0.5f - i))] : null,
    };

    /// <summary>Chats become "role:content|" for each message, and "tools|" where there are tools.</summary>
    internal sealed class ScriptedText : ModelText
    {
        public JsonObject? Variables { get; private set; }

        public JsonArray? Messages { get; private set; }

        public override ModelCard Card => ScriptedGrid.Card;

        public override Tokenizer Tokenizer { get; } = new ByteTokenizer();

        public override bool HasChatTemplate => true;

        public override int[] RenderChat(JsonArray messages, JsonArray? tools = null, JsonObject? variables = null, bool addGenerationPrompt = true)
        {
            (Messages, Variables) = (messages, variables);
            string text = string.Concat(messages.Select(message => $"{message!["role"]}:{message["content"]}|")) + (tools is null ? "" : "tools|");
            return Tokenizer.Encode(text, false, true);
        }
    }
}
