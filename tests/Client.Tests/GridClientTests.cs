using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;

namespace ServingGrid.Client.Tests;

public sealed class GridClientTests
{
    [Fact]
    public async Task GenerateAsync_NoReferenceForTheClient_TheNextRequestMakesOneAnew()
    {
        using ModelFile file = ModelFile.Open(ModelFiles.Bundled);
        var local = new LocalModel(file.Metadata, TokenizerFactory.Create(file.Metadata));
        IGrainFactory grains = DispatchProxy.Create<IGrainFactory, Grid>();
        var client = new GridClient(
            grains,
            Options.Create(new GridClientOptions()),
            TimeProvider.System,
            NullLogger<GridClient>.Instance,
            new Lazy<ILocalModel>(local));
        for (int request = 1; request <= 2; request++)
        {
            int asked = ((Grid)grains).References;
            GridException failure = await Assert.ThrowsAsync<GridException>(async () => await client.GenerateAsync(
                new GenerateRequest { RequestId = "r", Model = "m", Prompt = [1], MaxTokens = 1 }).ToListAsync());
            Assert.IsType<InvalidOperationException>(failure.GetBaseException());
            Assert.True(((Grid)grains).References > asked);
        }
    }

    private sealed record LocalModel(GgufMetadata Metadata, Tokenizer Tokenizer) : ILocalModel
    {
        public ModelCard Card => Grid.Card;
    }

    /// <summary>A grain factory that has one model, and makes no reference.</summary>
    public class Grid : DispatchProxy
    {
        /// <summary>References that were asked for.</summary>
        internal int References { get; private set; }

        internal static ModelCard Card { get; } = new()
        {
            Name = "m",
            Fingerprint = "f",
            ContextLength = 100,
            VocabularySize = 100,
            BlockSize = 32,
            Created = DateTimeOffset.UnixEpoch,
        };

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod!.Name switch
        {
            nameof(IGrainFactory.CreateObjectReference) => throw new InvalidOperationException($"There is no reference {++References}."),
            _ when targetMethod.GetGenericArguments()[0] == typeof(IModelCatalogGrain) => Create<IModelCatalogGrain, Models>(),
            _ when targetMethod.GetGenericArguments()[0] == typeof(IModelGrain) => Create<IModelGrain, Models>(),
            _ => Create<IRequestGrain, Models>(),
        };
    }

    /// <summary>Knows the one model.</summary>
    public class Models : DispatchProxy
    {
        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod!.Name switch
        {
            nameof(IModelCatalogGrain.FindModel) => (object)Task.FromResult<ModelCard?>(Grid.Card),
            nameof(IModelGrain.GetCard) => Task.FromResult(Grid.Card),
            _ => null,
        };
    }
}
