using System.Globalization;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>What a real process takes at its peak, from its start to after several requests at a time, as Linux accounts for it.</summary>
public sealed class MemoryTests
{
    private const double Megabyte = 1 << 20;

    // The engine's share by its rule: weights once, a twentieth for what packing pads, 64 MB for activations, tables and threads.
    private const double EngineMegabytes = 64;

    // .NET, ASP.NET and Orleans: more than half of it are pages of their files, which all processes of a machine share; the rest is their heap.
    private const double ServerMegabytes = 112;

    [Fact]
    public async Task Peak_RealModelAfterRequests_IsTheFileItsKvCacheAndAConstant()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        string? model = ModelFiles.SmolLM2;
        Assert.SkipWhen(model is null, ModelFiles.SmolLM2Absent);
        const int Requests = 8;
        const int Context = 512;
        const int PromptTokens = 400;
        const int NewTokens = 64;

        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--model", model!, "--name", "smol", "--threads", "2", "--context", $"{Context}", "--max-sequences", $"{Requests}");
        await Task.WhenAll(Enumerable.Range(0, Requests).Select(i => gateway.CallAsync("/v1/completions", new JsonObject
        {
            ["model"] = "smol",
            ["prompt"] = new JsonArray([.. Enumerable.Range(0, PromptTokens).Select(token => JsonValue.Create(300 + i * PromptTokens + token))]),
            ["max_tokens"] = NewTokens,
        })));

        // SmolLM2-135M: 30 layers, 3 heads of 64 for keys and for values, 2 bytes each.
        double kv = Requests * Context * (30 * 3 * 64 * 2 * 2) / Megabyte;
        double file = new FileInfo(model!).Length / Megabyte;
        double limit = file * 1.05 + kv + EngineMegabytes + ServerMegabytes;
        double peak = PeakMegabytes(gateway.Process.Id);
        Assert.True(peak < limit, string.Create(CultureInfo.InvariantCulture, $"{peak:F0} MiB at the peak, {limit:F0} allowed: file {file:F0}, KV cache {kv:F0}"));
    }

    private static double PeakMegabytes(int process)
    {
        const string Peak = "VmHWM:";
        string line = File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith(Peak, StringComparison.Ordinal));
        return double.Parse(line[Peak.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / 1024;
    }
}
