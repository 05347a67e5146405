using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using ServingGrid.Benchmarks.Models;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Benchmarks.Transfer;

/// <summary>
/// What a handover adds to the time to first token: the same cold prompts computed on the decode engine itself, and on a second engine
/// that sends its blocks over a socket while it computes the next ones. Two engines of one thread each, which take turns; medians.
/// </summary>
internal static class HandoverBenchmark
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length != 0)
        {
            Console.Error.WriteLine("handover takes no options.");
            return 1;
        }

        string model = ModelCatalog.Files(ModelCatalog.DefaultFolder, ["135m"], ["Q8_0"]).Single();
        var options = new WorkerOptions { ModelPath = model, Device = "cpu", Threads = 1, KvMemoryBytes = 512 << 20 };
        await using Worker prefill = Worker.Open(options);
        await using Worker decode = Worker.Open(options);
        var transfer = new KvTransferOptions { ClusterSecret = "secret of the benchmark" };
        var reservations = new ReservationTable();
        await using var receiver = new KvReceiver(transfer, reservations, NullLogger<KvReceiver>.Instance);
        using var transport = new TcpKvTransport(transfer);

        var table = new Table("prompt tokens", "here ms", "elsewhere ms", "adds ms", "of TTFT", "sending ms", "MB");
        int seed = 0;
        foreach ((int tokens, int rounds) in ((int, int)[])[(64, 1), (512, 5), (2048, 3), (8160, 1)])
        {
            List<double> here = [], elsewhere = [], sending = [];
            double megabytes = 0;
            for (int round = 0; round < rounds; round++)
            {
                here.Add(await LocalAsync(decode.Engine, Request(tokens, seed++)));
                (double seconds, PrefillResult result) = await RemoteAsync(prefill.Engine, decode.Engine, transport, receiver, reservations, Request(tokens, seed++));
                elsewhere.Add(seconds);
                sending.Add(result.SendTime.TotalSeconds);
                megabytes = result.SentBytes / 1e6;
            }

            if (tokens > 64)
            {
                double adds = elsewhere.Median() - here.Median();
                table.Add(tokens, here.Median() * 1000, elsewhere.Median() * 1000, adds * 1000, $"{adds / elsewhere.Median():P1}", sending.Median() * 1000, megabytes);
            }
        }

        table.Print(Console.Out);
        return 0;
    }

    private static SequenceRequest Request(int tokens, int seed)
    {
        var random = new Random(seed);
        return new SequenceRequest
        {
            Id = "benchmark",
            Prompt = [.. Enumerable.Range(0, tokens).Select(_ => random.Next(300, 2000))],
            Sampling = new SamplingParameters { Temperature = 0 },
            MaxTokens = 2,
            IgnoreEos = true,
        };
    }

    /// <summary>Seconds to the first token.</summary>
    private static async Task<double> LocalAsync(InferenceEngine engine, SequenceRequest request)
    {
        long start = Stopwatch.GetTimestamp();
        SequenceHandle sequence = engine.Submit(request).Accepted!;
        return await FirstTokenAsync(sequence, start);
    }

    private static async Task<(double Seconds, PrefillResult Result)> RemoteAsync(
        InferenceEngine prefill, InferenceEngine decode, TcpKvTransport transport, KvReceiver receiver, ReservationTable reservations, SequenceRequest request)
    {
        using var deadline = new CancellationTokenSource(Patience);
        long start = Stopwatch.GetTimestamp();
        Reservation reservation = (await decode.ReserveAsync(request, Patience, deadline.Token)).Accepted!;
        using IDisposable open = reservations.Open(reservation);
        var target = new KvTarget(receiver.LocalEndpoint.ToString(), reservation.Id, reservation.Epoch);
        PrefillResult result = (await PrefillPush.RunAsync(prefill, transport, request, reservation.CachedTokens, target, deadline.Token)).Accepted!;
        if (reservation.Commit(reservation.Epoch, result.First) is var outcome and not CommitOutcome.Committed)
        {
            throw new InvalidOperationException($"The blocks did not arrive: {outcome}.");
        }

        return (await FirstTokenAsync(reservation.Handle, start), result);
    }

    private static async Task<double> FirstTokenAsync(SequenceHandle sequence, long start)
    {
        double seconds = double.NaN;
        await foreach (SequenceUpdate update in sequence.Updates.ReadAllAsync())
        {
            if (update.Token is not null && double.IsNaN(seconds))
            {
                seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }

        return seconds;
    }
}
