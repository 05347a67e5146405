using System.Diagnostics;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests;

public sealed class ShutdownTests
{
    private const int Interrupt = 2;
    private const int Terminate = 15;

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Terminate)]
    public async Task Signal_WithAStreamUnderWay_EndsItWithAnErrorAndStopsQuickly(int signal)
    {
        await using GatewayProcess gateway = await GatewayProcess.StartAsync();
        using HttpResponseMessage response = await gateway.PostAsync("/v1/completions", new JsonObject
        {
            ["model"] = BundledGateway.Model,
            ["prompt"] = "Once",
            ["max_tokens"] = 3000,
            ["n"] = 32, // seconds of work, however late the signal comes
            ["ignore_eos"] = true,
            ["stream"] = true,
        });
        long start = Stopwatch.GetTimestamp();
        gateway.Signal(signal);

        Assert.Contains("\"code\":\"stopping\"", await response.Content.ReadAsStringAsync());
        Assert.Equal(0, await gateway.WaitForExitAsync(TimeSpan.FromSeconds(60)));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.DoesNotContain("   at ", gateway.Output);
    }
}
