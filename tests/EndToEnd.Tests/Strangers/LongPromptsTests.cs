using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests.Strangers;

/// <summary>Prompts that are far too long, several at once.</summary>
public sealed class LongPromptsTests
{
    private const int Bytes = (16 << 20) - 1024;
    private const int AtOnce = 6;
    private const double Left = 96;

    // Six bodies, and what one of them is turned into; without a bound it was gigabytes.
    private const double Most = 1024;

    public static TheoryData<string> Kinds => ["one word", "words", "chat", "messages", "tokens"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Prompts_OfSixteenMegabytes_AreRefusedWhileStreamsGoOnAndMemoryComesBack(string kind)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        await using GatewayProcess gateway = await GatewayProcess.StartAsync();
        var streams = new NormalStreams(gateway);
        await streams.LearnAsync();
        double before = LinuxProcess.ResidentMegabytes(gateway.Process.Id);

        (string path, byte[] body, string param) = Make(kind);
        double peak = 0;
        await streams.CheckBesideAsync(Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
        {
            using HttpResponseMessage response = await gateway.Http.PostAsync(path, new ByteArrayContent(body));
            JsonNode error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!;
            Assert.Equal((HttpStatusCode.BadRequest, param), (response.StatusCode, (string?)error["param"]));
            peak = Math.Max(peak, LinuxProcess.ResidentMegabytes(gateway.Process.Id));
        })));

        Assert.True(peak - before < Most, $"{before:F0} MiB before, {peak:F0} at the end of a request");
        await LinuxProcess.WaitForMemoryAsync(gateway.Process.Id, before + Left);
        await streams.CheckBesideAsync(Task.CompletedTask);
    }

    private static (string Path, byte[] Body, string Param) Make(string kind)
    {
        const string Completions = "/v1/completions";
        const string Chat = "/v1/chat/completions";
        return kind switch
        {
            "one word" => (Completions, Body($"\"prompt\":\"{new string('a', Bytes)}\""), "prompt"),
            "words" => (Completions, Body($"\"prompt\":\"{Repeat("hello ", Bytes)}\""), "prompt"),
            "tokens" => (Completions, Body($"\"prompt\":[1{Repeat(",1", Bytes)}]"), "prompt"),
            "chat" => (Chat, Body($$"""
                "messages":[{"role":"user","content":"{{Repeat("hello ", Bytes)}}"}]
                """), "messages"),
            _ => (Chat, Body($$"""
                "messages":[{{Repeat("""{"role":"user","content":"hello"},""", 100_000 * 34)}}{"role":"user","content":"hello"}]
                """), "messages"),
        };

        static byte[] Body(string field) => Encoding.UTF8.GetBytes($$"""{"model":"{{BundledGateway.Model}}","max_tokens":4,{{field}}}""");

        static string Repeat(string text, int bytes) => string.Concat(Enumerable.Repeat(text, bytes / text.Length));
    }
}
