using System.Net;
using System.Text.Json.Nodes;
using ServingGrid.Gateway.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Testing.Faults;

namespace ServingGrid.Gateway.Tests.Hosting;

/// <summary>One process whose device is lost.</summary>
public sealed class EmbeddedSiloTests
{
    private const string Completions = "/v1/completions";
    private const string Body = """{"model":"grid-tiny","prompt":"The capital of France is","temperature":0,"max_tokens":8}""";

    private static readonly Fault Lost = new(FaultStage.BeginStep) { Failure = () => new DeviceException("the driver has lost it") };

    [Fact]
    public async Task Device_Lost_OpenedAnewUnderARequestAndServesTheSame()
    {
        await using EmbeddedGateway gateway = await EmbeddedGateway.StartAsync();
        string expected = (string)(await gateway.CallAsync(Completions, Body))["choices"]![0]!["text"]!;
        gateway.Device.Fault = Lost;
        string text = (string)(await gateway.CallAsync(Completions, Body))["choices"]![0]!["text"]!;

        Assert.Equal(expected, text);
        Assert.Equal(2, gateway.Devices.Count);
        Assert.True(gateway.Devices[0].IsDisposed);
        await gateway.WaitForHealthAsync(HttpStatusCode.OK);
        JsonNode device = JsonNode.Parse(await gateway.Http.GetStringAsync("/grid"))!["devices"]![0]!;
        Assert.Equal("serving", (string)device["state"]!);
        string metrics = await gateway.Http.GetStringAsync("/metrics");
        Assert.Contains("servinggrid_device_losses_total", metrics);
        Assert.Contains("servinggrid_device_reopenings_total", metrics);
        Assert.Single(gateway.Log.Lines, line => line.StartsWith("Warning: The lost device cpu was opened anew in ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Device_LostAndNotToBeOpened_StaysUpAndSaysWhyUntilItCan()
    {
        await using EmbeddedGateway gateway = await EmbeddedGateway.StartAsync();
        Assert.Equal("""{"status":"ok","models":["grid-tiny"]}""", await gateway.WaitForHealthAsync(HttpStatusCode.OK));
        gateway.OpeningFails = new DeviceException("no such device");
        gateway.Device.Fault = Lost;
        Task<HttpResponseMessage> waiting = gateway.PostAsync(Completions, Body);
        string text = await gateway.WaitForHealthAsync(HttpStatusCode.ServiceUnavailable);
        while (!text.Contains("no such device"))
        {
            text = await gateway.WaitForHealthAsync(HttpStatusCode.ServiceUnavailable);
        }

        JsonNode health = JsonNode.Parse(text)!;
        Assert.Equal(("unavailable", 0), ((string)health["status"]!, health["models"]!.AsArray().Count));
        Assert.Matches(
            "^No device of grid-tiny takes requests: .*/cpu has failed \\(.*the driver has lost it.*; opening the device anew failed: no such device\\)\\.$", (string)health["reason"]!);
        JsonNode device = JsonNode.Parse(await gateway.Http.GetStringAsync("/grid"))!["devices"]![0]!;
        Assert.Equal("failed", (string)device["state"]!);
        Assert.Matches("the driver has lost it.*; opening the device anew failed: no such device$", (string)device["trouble"]!);
        Assert.Matches(@"servinggrid_engine_up\{[^}]*\} 0", await gateway.Http.GetStringAsync("/metrics"));
        Assert.Contains(gateway.Log.Lines, line => line.StartsWith("Error: The lost device cpu cannot be opened anew: no such device (the next attempt", StringComparison.Ordinal));

        gateway.OpeningFails = null;
        await gateway.WaitForHealthAsync(HttpStatusCode.OK);
        using HttpResponseMessage answer = await waiting;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await gateway.CallAsync(Completions, Body);
    }
}
