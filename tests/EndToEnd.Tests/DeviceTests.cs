using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>Choosing the device that a gateway serves on.</summary>
public sealed class DeviceTests
{
    [Fact]
    public async Task ListDevices_AnyMachine_NamesThemAndEndsWith0()
    {
        await using ProgramRun run = GatewayProcess.Launch("--list-devices");
        Assert.Equal(0, await run.WaitForExitAsync(TimeSpan.FromSeconds(60)));
        string[] lines = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains(lines, line => line.StartsWith("cpu ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("ilgpu-cpu ", StringComparison.Ordinal));
    }

    /// <summary>
    /// The GPU's kernels, on ILGPU's CPU accelerator, answer as the processor's do. A prompt whose answer the model is sure of: the cpu
    /// device quantises activations and ilgpu-cpu does not, so that near ties may fall either way (GpuModelSuite checks the margin of another).
    /// </summary>
    [Fact]
    public async Task ChatCompletion_OnTheGpuKernels_EqualsTheProcessors()
    {
        string expected = await AnswerAsync("--device", "cpu", "--threads", "1", "--context", "128");
        string actual = await AnswerAsync("--device", "ilgpu-cpu", "--context", "128");
        Assert.Equal(expected, actual);
        Assert.True(expected.Length > 20, expected);
    }

    private static async Task<string> AnswerAsync(params string[] arguments)
    {
        await using GatewayProcess gateway = await GatewayProcess.StartAsync(arguments);
        JsonNode answer = await gateway.CallAsync("/v1/chat/completions", new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "What sound does a cat make?" }),
            ["max_tokens"] = 8,
            ["temperature"] = 0,
            ["logprobs"] = true,
        });
        JsonArray tokens = answer["choices"]![0]!["logprobs"]!["content"]!.AsArray();
        return $"{string.Join('|', tokens.Select(token => (string)token!["token"]!))} ({answer["choices"]![0]!["finish_reason"]})";
    }
}
