using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Transfer;
using ServingGrid.Kernels;

namespace ServingGrid.Benchmarks.Transfer;

/// <summary>
/// MB/s of KV transfer over the loopback interface, beside what a plain socket and a memory copy do with the same bytes in the same run,
/// for prompts of the SmolLM2-135M shape. Each figure is the median of several rounds, taken in turn.
/// </summary>
internal static class KvTransferBenchmark
{
    private const int Rounds = 9;
    private static readonly KvLayout Layout = new(30, 3, 64);

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length != 0)
        {
            Console.Error.WriteLine("kv-transfer takes no options.");
            return 1;
        }

        var options = new KvTransferOptions { ClusterSecret = "secret of the benchmark" };
        var table = new ReservationTable();
        await using var receiver = new KvReceiver(options, table, NullLogger<KvReceiver>.Instance);
        using var transport = new TcpKvTransport(options);
        Console.WriteLine($"KV layout: {Layout.Layers} layers, {Layout.KvHeads} heads of {Layout.HeadSize}, {Layout.Type}, blocks of {Layout.BlockSize}; frames of {options.MaxFrameBytes >> 10} KiB, {options.FramesInFlight} in flight");
        Console.WriteLine($"{"tokens",8}{"MB",8}{"transfer MB/s",16}{"socket MB/s",14}{"copy MB/s",12}{"of socket",11}{"transfer ms",13}");
        foreach (int tokens in (int[])[512, 2048, 8192])
        {
            int blocks = tokens / Layout.BlockSize;
            var source = new HostCache(blocks);
            var target = new HostCache(blocks);
            byte[] flat = source.Bytes;
            List<double> transfers = [], sockets = [], copies = [];
            for (int round = -2; round < Rounds; round++)
            {
                double transfer = await TransferAsync(transport, receiver, table, source, target, blocks, round);
                double socket = await SocketAsync(flat);
                long start = Stopwatch.GetTimestamp();
                flat.CopyTo(target.Bytes, 0);
                double copy = Stopwatch.GetElapsedTime(start).TotalSeconds;
                if (round >= 0)
                {
                    transfers.Add(transfer);
                    sockets.Add(socket);
                    copies.Add(copy);
                }
            }

            double megabytes = flat.Length / 1e6;
            Console.WriteLine($"{tokens,8}{megabytes,8:F1}{megabytes / Median(transfers),16:F0}{megabytes / Median(sockets),14:F0}{megabytes / Median(copies),12:F0}{Median(sockets) / Median(transfers),11:P0}{Median(transfers) * 1000,13:F1}");
        }

        return 0;
    }

    private static async Task<double> TransferAsync(
        TcpKvTransport transport, KvReceiver receiver, ReservationTable table, HostCache source, HostCache target, int blocks, int round)
    {
        int[] ids = [.. Enumerable.Range(0, blocks)];
        var prefill = new PrefillHandle("benchmark", Layout, source);
        prefill.Publish(ids, blocks);
        var handle = new SequenceHandle("benchmark", Channel.CreateUnbounded<SequenceUpdate>().Reader, () => { });
        var reservation = new Reservation(round + 10, handle, Layout, ids, 0, TimeSpan.FromMinutes(1), target);
        using IDisposable open = table.Open(reservation);
        long start = Stopwatch.GetTimestamp();
        await transport.SendAsync(new KvTarget(receiver.LocalEndpoint.ToString(), reservation.Id, reservation.Epoch), prefill, 0, blocks, default);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (reservation.Commit(reservation.Epoch, new ChosenToken(0)) != CommitOutcome.Committed || !source.Bytes.AsSpan().SequenceEqual(target.Bytes))
        {
            throw new InvalidOperationException("The blocks did not arrive.");
        }

        return seconds;
    }

    /// <summary>The same bytes through a bare socket, read into one buffer of a frame's size: no framing, no hash, no gather, no scatter.</summary>
    private static async Task<double> SocketAsync(byte[] bytes)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using TcpClient server = await listener.AcceptTcpClientAsync();
        long start = Stopwatch.GetTimestamp();
        Task sending = Task.Run(async () =>
        {
            for (int at = 0; at < bytes.Length; at += 1 << 20)
            {
                await client.GetStream().WriteAsync(bytes.AsMemory(at, Math.Min(1 << 20, bytes.Length - at)));
            }
        });
        byte[] buffer = new byte[1 << 20];
        for (long received = 0; received < bytes.Length;)
        {
            received += await server.GetStream().ReadAsync(buffer);
        }

        await sending;
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>A KV cache in plain memory: what the device's copy costs is a memory copy's.</summary>
    private sealed class HostCache(int blocks) : IPrefillOwner, IReservationOwner
    {
        public byte[] Bytes { get; } = new byte[blocks * Layout.BlockBytesAllLayers];

        public int VocabularySize => int.MaxValue;

        public bool TryGather(ReadOnlySpan<int> ids, int firstLayer, int layers, Span<byte> destination)
        {
            for (int l = 0, at = 0; l < layers; l++)
            {
                foreach (int id in ids)
                {
                    Block(firstLayer + l, id).CopyTo(destination[at..]);
                    at += Layout.BlockBytes;
                }
            }

            return true;
        }

        public bool TryScatter(ReadOnlySpan<int> ids, int firstLayer, int layers, ReadOnlySpan<byte> data)
        {
            for (int l = 0, at = 0; l < layers; l++)
            {
                foreach (int id in ids)
                {
                    data.Slice(at, Layout.BlockBytes).CopyTo(Block(firstLayer + l, id));
                    at += Layout.BlockBytes;
                }
            }

            return true;
        }

        public long DeadlineAfter(TimeSpan lifetime) => long.MaxValue;

        public void Committed(Reservation reservation, ChosenToken first)
        {
        }

        public void StartedLocally(Reservation reservation)
        {
        }

        public void Released(Reservation reservation)
        {
        }

        public void Released(PrefillHandle prefill)
        {
        }

        private Span<byte> Block(int layer, int id) => Bytes.AsSpan((layer * blocks + id) * Layout.BlockBytes, Layout.BlockBytes);
    }
}
