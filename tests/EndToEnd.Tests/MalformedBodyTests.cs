using System.Text;
using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

public sealed class MalformedBodyTests(BundledGateway bundled)
{
    private const int Bodies = 2000;
    private const long MaxGrowthBytes = 256L << 20;

    [Fact]
    public async Task Post_MutatedBodies_ProcessAnswersAndStaysSmall()
    {
        GatewayProcess gateway = bundled.Process;
        var mutator = new JsonMutator(seed: 7, BundledGateway.Model);
        long before = WorkingSet(gateway);
        for (int i = 0; i < Bodies; i++)
        {
            (string path, byte[] body) = mutator.Next();
            using HttpResponseMessage response = await gateway.Http.PostAsync(path, new ByteArrayContent(body));
            int status = (int)response.StatusCode;
            string text = await response.Content.ReadAsStringAsync();
            Assert.True(status is 200 or (>= 400 and < 500), $"{status} {text} for {Encoding.UTF8.GetString(body)}\n{gateway.Output}");
            if (status != 200)
            {
                Assert.NotNull(JsonNode.Parse(text)!["error"]!["message"]);
            }
        }

        Assert.False(gateway.Process.HasExited);
        Assert.InRange(WorkingSet(gateway) - before, long.MinValue, MaxGrowthBytes);
        await gateway.WaitForMetricAsync("vllm:num_requests_running", running => running == 0);
    }

    private static long WorkingSet(GatewayProcess gateway)
    {
        gateway.Process.Refresh();
        return gateway.Process.WorkingSet64;
    }
}
