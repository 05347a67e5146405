using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using ServingGrid.Client.Chat;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Client.Tests.Chat;

public sealed class GridChatClientTests
{
    /// <summary>The model may change between the making of a prompt and its sending: then the grid must be able to tell.</summary>
    [Fact]
    public async Task GetResponse_Prompt_CarriesTheFingerprintOfItsTokenizer()
    {
        Grid grid = new();
        using GridChatClient chat = new(grid, "m");
        await chat.GetResponseAsync("Hello!", cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal("tokenizer's", grid.Asked!.Fingerprint);
    }

    private sealed class Grid : IGridClient
    {
        public GenerateRequest? Asked { get; private set; }

        public Task<IReadOnlyList<ModelCard>> GetModelsAsync(CancellationToken cancellation = default) => throw new NotSupportedException();

        public Task<GridHealth> GetHealthAsync(CancellationToken cancellation = default) => throw new NotSupportedException();

        public Task<GridStatus> GetStatusAsync(CancellationToken cancellation = default) => throw new NotSupportedException();

        public Task<ModelText> GetModelTextAsync(string model, CancellationToken cancellation = default) => Task.FromResult<ModelText>(new Text());

        public async IAsyncEnumerable<TextUpdate> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellation = default)
        {
            Asked = request;
            await Task.Yield();
            yield return new TextUpdate { Text = "Hi", Finish = FinishReason.Stop };
        }
    }

    private sealed class Text : ModelText
    {
        public override ModelCard Card { get; } = new()
        {
            Name = "m",
            Fingerprint = "tokenizer's",
            ContextLength = 100,
            VocabularySize = 50,
            BlockSize = 32,
            Created = DateTimeOffset.UnixEpoch,
        };

        public override Tokenizer Tokenizer => throw new NotSupportedException();

        public override bool HasChatTemplate => true;

        public override int[] RenderChat(JsonArray messages, JsonArray? tools = null, JsonObject? variables = null, bool addGenerationPrompt = true) => [1, 2, 3];
    }
}
