using System.ComponentModel;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>OpenAI's own client for Node.js against the real process.</summary>
public sealed class OpenAiNodeTests(BundledGateway bundled)
{
    private static readonly string Folder = RepositoryRoot.Combine("tests", "EndToEnd.Tests", "node");

    [Fact]
    public async Task Client_ListsCompletesChatsAndStreams()
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(Folder, "node_modules", "openai")), $"npm install has not been run in {Folder}");
        await using ProgramRun? node = StartNode(new Uri(bundled.Process.Address, "/v1").ToString(), BundledGateway.Model);
        Assert.SkipWhen(node is null, "node is not installed");
        Assert.True(await node.WaitForExitAsync(TimeSpan.FromMinutes(1)) == 0, node.Output + node.Error);

        JsonNode seen = JsonNode.Parse(node.Output)!;
        Assert.Equal($"""["{BundledGateway.Model}"]""", seen["models"]!.ToJsonString());
        Assert.Equal(2, seen["completion"]!["choices"]!.AsArray().Count);
        Assert.Equal((string)seen["completion"]!["choices"]![0]!["text"]!, (string)seen["completionStreamed"]!);
        string answer = (string)seen["chat"]!["choices"]![0]!["message"]!["content"]!;
        Assert.Contains("Paris", answer);
        Assert.Equal(answer, (string)seen["streamed"]!);
        Assert.Equal("stop", (string)seen["finish"]!);
        Assert.Equal((int)seen["chat"]!["usage"]!["total_tokens"]!, (int)seen["usage"]!["total_tokens"]!);
        Assert.Equal("""{"kind":"NotFoundError","status":404,"code":"model_not_found"}""", seen["error"]!.ToJsonString());
    }

    private static ProgramRun? StartNode(params string[] arguments)
    {
        try
        {
            return new ProgramRun("node", [Path.Combine(Folder, "openai.mjs"), .. arguments], Folder);
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
