using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ServingGrid.Client;
using ServingGrid.Client.Clustering;
using ServingGrid.Client.Hosting;
using ServingGrid.Grains.Hosting;
using ServingGrid.Grains.Workers;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>The README's example of a .NET application.</summary>
public sealed class EmbeddedGridTests
{
    [Fact]
    public async Task Application_HostsModelAndClient_StreamsAStory()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.AddServingGridWorker(new WorkerOptions { ModelPath = ModelFiles.Bundled }, ClusterStore.Local);
        builder.Services.AddServingGridClient();
        using IHost host = builder.Build();
        await host.StartAsync();

        var grid = host.Services.GetRequiredService<IGridClient>();
        ModelText model = await grid.GetModelTextAsync("grid-tiny");
        JsonArray messages = [new JsonObject { ["role"] = "user", ["content"] = "Tell me a story." }];
        var request = new GenerateRequest { RequestId = "story-1", Model = "grid-tiny", Prompt = model.RenderChat(messages), Fingerprint = model.Card.Fingerprint };
        var updates = new List<TextUpdate>();
        await foreach (TextUpdate update in grid.GenerateAsync(request))
        {
            updates.Add(update);
        }

        Assert.True(updates.Count > 5, "The story should come in pieces.");
        Assert.NotNull(updates[^1].Finish);
        Assert.Equal(updates.Sum(update => update.Tokens.Count), updates[^1].Usage!.CompletionTokens);
        await host.StopAsync();
    }
}
