using System.Diagnostics;
using Orleans.TestingHost;
using ServingGrid.Client;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Cluster;

public sealed class NumericsTests(ITestOutputHelper output)
{
    private const int Tokens = 24;
    private static readonly WorkerOptions Options = GridCluster.Options with { ContextLength = 256, MaxSequences = 4 };

    [Fact]
    public async Task Generate_SiloKilledUnderAStream_NoMixOfTwoClasses()
    {
        GenerateRequest[] requests = [.. Enumerable.Range(0, 4).Select(Request)];
        int[][] cpu = await Reference("cpu", requests);
        int[][] gpu = await Reference("ilgpu-cpu", requests);
        for (int i = 0; i < requests.Length; i++)
        {
            output.WriteLine($"{string.Join(' ', cpu[i])}\n{string.Join(' ', gpu[i])}");
        }

        await using GridCluster cluster = await GridCluster.Start(2, i => Options with { Device = i == 0 ? "cpu" : "ilgpu-cpu" });
        InProcessSiloHandle victim = cluster.Silos.Single(silo => cluster.Service<LocalDevice>(silo).Identity.Id.EndsWith("ilgpu-cpu", StringComparison.Ordinal));
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        for (int i = 0; i < requests.Length; i++)
        {
            List<int> tokens = [];
            await foreach (TextUpdate update in cluster.Client.GenerateAsync(requests[i] with { RequestId = $"x{i}" }, limit.Token))
            {
                tokens.AddRange(update.Tokens.Select(token => token.Token));
                if (tokens.Count == 3 && cluster.EngineOf(victim).Status.Running > 0)
                {
                    await cluster.Kill(victim);
                }
            }

            Assert.True(tokens.SequenceEqual(cpu[i]) || tokens.SequenceEqual(gpu[i]), $"{i}: {string.Join(' ', tokens)}\n cpu {string.Join(' ', cpu[i])}\nilgpu {string.Join(' ', gpu[i])}");
        }
    }

    [Fact]
    public async Task Generate_PrefillSiloOfAnotherClass_TokensOfTheDecodeSilosClass()
    {
        GenerateRequest[] requests = [.. Enumerable.Range(0, 4).Select(Request)];
        int[][] cpu = await Reference("cpu", requests);
        await using GridCluster cluster = await GridCluster.Start(2, i => Options with
        {
            Device = i == 0 ? "cpu" : "ilgpu-cpu",
            Role = i == 0 ? DeviceRole.Decode : DeviceRole.Prefill,
            Disaggregation = new DisaggregationOptions { Mode = DisaggregationMode.Always },
        });
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Equal(cpu[i], (await cluster.Run(requests[i])).Tokens);
        }
    }

    private static GenerateRequest Request(int seed) => GridCluster.Request(GridCluster.Prompt(40, seed), Tokens) with
    {
        Sampling = new SamplingOptions { Temperature = 0.9f, Seed = seed },
    };

    private async Task<int[][]> Reference(string device, GenerateRequest[] requests)
    {
        long start = Stopwatch.GetTimestamp();
        await using GridCluster cluster = await GridCluster.Start(1, Options with { Device = device });
        output.WriteLine($"{device}: started {Stopwatch.GetElapsedTime(start)}");
        int[][] tokens = [.. (await Task.WhenAll(requests.Select(request => cluster.Run(request)))).Select(run => run.Tokens)];
        output.WriteLine($"{device}: done {Stopwatch.GetElapsedTime(start)}");
        return tokens;
    }
}
