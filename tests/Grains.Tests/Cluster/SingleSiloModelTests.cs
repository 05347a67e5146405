using System.Text.Json.Nodes;
using ServingGrid.Client;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>Which model a request is for, and what clients learn of it.</summary>
[Collection(nameof(SingleSilo))]
public sealed class SingleSiloModelTests(SingleSilo silo)
{
    private readonly GridCluster _cluster = silo.Cluster;

    [Fact]
    public async Task Generate_UnknownModel_ModelNotFound()
    {
        GridException refused = await Assert.ThrowsAsync<GridException>(
            () => _cluster.Run(GridCluster.Request(GridCluster.Prompt(5), 5) with { Model = "nobody" }));

        Assert.Equal(GridError.ModelNotFound, refused.Error);
    }

    [Fact]
    public async Task Generate_PromptForAnotherFileOfTheName_RefusedInsteadOfMisread()
    {
        GenerateRequest request = GridCluster.Request(GridCluster.Prompt(5), 5) with { Fingerprint = "another" };
        IRequestGrain grain = _cluster.Grains.GetGrain<IRequestGrain>($"changed/{Guid.NewGuid():N}");
        GridException refused = await Assert.ThrowsAsync<GridException>(async () => await grain.Generate(new GenerateAttempt { Request = request }).ToListAsync());

        Assert.Equal(GridError.ModelChanged, refused.Error);
    }

    [Fact]
    public async Task GenerateAsync_PromptForAnotherFileOfTheName_RefusedInsteadOfMisread()
    {
        GridException refused = await Assert.ThrowsAsync<GridException>(() => _cluster.Run(GridCluster.Request(GridCluster.Prompt(5), 5) with { Fingerprint = "another" }));

        Assert.Equal(GridError.ModelChanged, refused.Error);
    }

    [Fact]
    public async Task GetModelText_ManyUnknownModels_NoGrainForAnyOfThem()
    {
        for (int i = 0; i < 20; i++)
        {
            string name = $"nobody-{i}";
            GridException refused = await Assert.ThrowsAsync<GridException>(() => _cluster.Client.GetModelTextAsync(name));
            Assert.Equal(GridError.ModelNotFound, refused.Error);
        }

        DetailedGrainStatistic[] active = await _cluster.Grains.GetGrain<IManagementGrain>(0).GetDetailedGrainStatistics();
        Assert.Contains(active, grain => grain.GrainId.Key.ToString() == IModelCatalogGrain.Key);
        Assert.DoesNotContain(active, grain => grain.GrainId.Key.ToString()!.StartsWith("nobody", StringComparison.Ordinal));
    }

    [Fact]
    public async Task GetModels_OneSilo_ItsModel()
    {
        ModelCard card = Assert.Single(await _cluster.Client.GetModelsAsync());

        Assert.Equal((GridCluster.Model, 2048, 2048, 32), (card.Name, card.ContextLength, card.VocabularySize, card.BlockSize));
    }

    [Fact]
    public async Task GetModelText_FromHeader_TokenizesAndRendersChats()
    {
        ModelText text = await _cluster.Client.GetModelTextAsync(GridCluster.Model);
        int[] tokens = text.RenderChat([new JsonObject { ["role"] = "user", ["content"] = "Hello!" }]);

        Assert.True(text.HasChatTemplate);
        Assert.Contains("Hello!", System.Text.Encoding.UTF8.GetString(text.Tokenizer.Decode(tokens)));
        Assert.Same(text, await _cluster.Client.GetModelTextAsync(GridCluster.Model));
    }
}
