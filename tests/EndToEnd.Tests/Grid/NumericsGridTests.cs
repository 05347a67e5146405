using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ServingGrid.Client;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>
/// Silos on <c>cpu</c>, which quantises activations, beside silos on <c>ilgpu-cpu</c>, which does not, under kills: every answer is that of
/// one of the two, or its chunks say where it has gone on in the other. The model is of one small layer, because the second device takes a
/// hundred times as long.
/// </summary>
public sealed class NumericsGridTests : IDisposable
{
    private const string Cpu = "cpu";
    private const string Gpu = "ilgpu-cpu";
    private const int Clients = 4;
    private const int Requests = 24;
    private static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();
    private readonly string _model;

    public NumericsGridTests()
    {
        _model = _folder.Combine("small.gguf");
        RandomModel.Write(_model, new RandomModelOptions
        {
            Shape = new RandomModelShape
            {
                Layers = 1,
                Width = 64,
                Heads = 2,
                KvHeads = 1,
                HeadSize = 32,
                FeedForward = 64,
                VocabularySize = 2048,
                ContextLength = 512,
                TiedEmbeddings = false,
            },
            GgmlType = GgmlType.Q8_0,
            SaysPlainText = true,
        });
    }


    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Streams_SilosOfBothClassesKilled_EveryAnswerIsThatOfOneClass()
    {
        GenerateRequest[] workload = [.. Enumerable.Range(0, Requests).Select(Request)];
        int[][] cpu = await ReferenceAsync(Cpu, workload);
        int[][] gpu = await ReferenceAsync(Gpu, workload);
        Assert.Contains(Enumerable.Range(0, Requests), i => !cpu[i].SequenceEqual(gpu[i]));

        await using ProcessGrid grid = NewGrid("mixed.db");

        // Prompts go to the other silo of the class, and only there.
        string[] always = ["--disaggregation", "always"];
        string[] devices = [Cpu, Cpu, Gpu, Gpu];
        SiloProcess[] silos = await Task.WhenAll(devices.Select(device => grid.StartSiloAsync("both", ["--device", device, .. always])));
        IHost[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => grid.ConnectAsync()));
        await clients[0].WaitForMembersAsync(silos.Length, JoinPatience, grid.ModelName);
        int finished = 0, next = -1;
        var answers = new (int[] Tokens, string[] Classes)[Requests];
        Task streams = Task.WhenAll(clients.Select(client => Task.Run(async () =>
        {
            int i;
            while ((i = Interlocked.Increment(ref next)) < Requests)
            {
                answers[i] = await ReadAsync(client, workload[i]);
                Interlocked.Increment(ref finished);
            }
        })));
        foreach ((int after, SiloProcess victim) in new[] { (Requests / 4, silos[2]), (Requests / 2, silos[0]) })
        {
            while (Volatile.Read(ref finished) < after && !streams.IsCompleted)
            {
                await Task.Delay(5);
            }

            victim.Kill();
        }

        await streams.WaitAsync(TimeSpan.FromMinutes(5));
        for (int i = 0; i < Requests; i++)
        {
            string numerics = Assert.Single(answers[i].Classes);
            int[] expected = numerics.StartsWith(Gpu, StringComparison.Ordinal) ? gpu[i] : cpu[i];
            string actual = string.Join(' ', answers[i].Tokens);
            Assert.True(
                expected.SequenceEqual(answers[i].Tokens),
                $"Request {i} in {numerics}: [{actual}], expected [{string.Join(' ', expected)}]\n{grid.Output}");
        }

        Assert.Equal(2, answers.SelectMany(answer => answer.Classes).Distinct().Count());
    }

    [Theory]
    [InlineData("allow")]
    [InlineData("refuse")]
    public async Task Stream_LastSiloOfItsClassKilled_GoesOnWithAnotherFingerprintOrEndsAsTheGatewayWasTold(string change)
    {
        await using ProcessGrid grid = NewGrid("two.db");
        SiloProcess[] silos = await Task.WhenAll(new[] { Cpu, Gpu }.Select(device => grid.StartSiloAsync("both", "--device", device)));
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--cluster", grid.Cluster, "--numerics-change", change);
        await gateway.WaitForHealthAsync(System.Net.HttpStatusCode.OK);
        await (await grid.ConnectAsync()).WaitForMembersAsync(silos.Length, JoinPatience, grid.ModelName);
        JsonNode[] chunks = await StreamOnAsync(gateway, grid.ModelName, Gpu, silos[1].Kill);
        IEnumerable<JsonNode> parts = chunks.Where(chunk => chunk["error"] is null);
        string[] prints = [.. parts.Select(chunk => (string)chunk["system_fingerprint"]!).Distinct()];

        Assert.Matches($"^fp_[0-9a-f]{{12}}/{Gpu}-v", prints[0]);
        if (change == "allow")
        {
            Assert.Equal(2, prints.Length);
            Assert.Matches($"^fp_[0-9a-f]{{12}}/{Cpu}-v", prints[1]);
            Assert.Equal("length", (string)chunks[^1]["choices"]![0]!["finish_reason"]!);
            Assert.Equal(1, await gateway.ReadMetricAsync("servinggrid_numerics_changes_total"));
        }
        else
        {
            Assert.Single(prints);
            Assert.Equal("unavailable", (string)chunks[^1]["error"]!["code"]!);
            Assert.Contains("no device of numerics class ilgpu-cpu-v", (string)chunks[^1]["error"]!["message"]!);
        }

        JsonNode status = JsonNode.Parse(await gateway.Http.GetStringAsync("/grid"))!;
        Assert.Contains($"{Cpu}-v", status["devices"]!.AsArray().Select(device => ((string)device!["numerics"]!)[..5]));
    }

    private ProcessGrid NewGrid(string file) => new($"file:{_folder.Combine(file)}") { Model = _model };

    private static GenerateRequest Request(int seed)
    {
        var random = new Random(seed);
        return GridRequests.Create("small", GridRequests.Prompt(random.Next(3, 70), random), random.Next(6, 14), seed);
    }

    private async Task<int[][]> ReferenceAsync(string device, GenerateRequest[] requests)
    {
        await using ProcessGrid grid = NewGrid($"{device}.db");
        await grid.StartSiloAsync("both", "--device", device);
        IHost client = await grid.ConnectAsync();
        return [.. (await Task.WhenAll(requests.Select(request => ReadAsync(client, request)))).Select(answer => answer.Tokens)];
    }

    private static async Task<(int[] Tokens, string[] Classes)> ReadAsync(IHost client, GenerateRequest request)
    {
        List<int> tokens = [];
        HashSet<string> classes = [];
        await foreach (TextUpdate update in client.Services.GetRequiredService<IGridClient>().GenerateAsync(request))
        {
            tokens.AddRange(update.Tokens.Select(token => token.Token));
            classes.Add(update.Numerics!);
        }

        return ([.. tokens], [.. classes]);
    }

    /// <summary>
    /// The events of a stream that begins on a device of this kind, under whose first chunk something happens. Requests are spread by
    /// chance: one that begins on another is given up, and another one sent.
    /// </summary>
    private static async Task<JsonNode[]> StreamOnAsync(GatewayProcess gateway, string model, string device, Action onFirst)
    {
        for (int i = 0; i < 30; i++)
        {
            JsonObject body = new()
            {
                ["model"] = model,
                ["prompt"] = $"Number {i}",
                ["max_tokens"] = 60,
                ["ignore_eos"] = true,
                ["seed"] = i,
                ["stream"] = true,
            };
            using HttpResponseMessage response = await gateway.PostAsync("/v1/completions", body);
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            List<JsonNode> chunks = [];
            while (await reader.ReadLineAsync() is { } line && line != "data: [DONE]")
            {
                if (line.Length == 0)
                {
                    continue;
                }

                chunks.Add(JsonNode.Parse(line["data: ".Length..])!);
                if (chunks.Count > 1)
                {
                    continue;
                }

                if (!((string?)chunks[0]["system_fingerprint"])?.Contains($"/{device}-") ?? true)
                {
                    break;
                }

                onFirst();
            }

            if (((string?)chunks[0]["system_fingerprint"])?.Contains($"/{device}-") == true)
            {
                return [.. chunks];
            }
        }

        throw new InvalidOperationException($"No request began on {device}.\n{gateway.Output}");
    }
}
