using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Transfer;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Tests.Transfer;

/// <summary>A receiver, a transport and memory at both ends: real sockets, no engines.</summary>
internal sealed class TransferRig : IAsyncDisposable
{
    public const string Secret = "a secret of the test cluster";
    private static long _nextReservation;
    private readonly List<IDisposable> _open = [];

    public TransferRig(KvLayout? layout = null, KvTransferOptions? options = null)
    {
        Layout = layout ?? new KvLayout(4, 2, 16);
        Options = options ?? new KvTransferOptions { ClusterSecret = Secret };
        Receiver = NewReceiver(Options);
        Transport = new TcpKvTransport(Options);
    }

    public KvLayout Layout { get; }

    public KvTransferOptions Options { get; }

    public ReservationTable Table { get; } = new();

    public KvReceiver Receiver { get; }

    public TcpKvTransport Transport { get; }

    public string Endpoint => Receiver.LocalEndpoint.ToString();

    public KvReceiver NewReceiver(KvTransferOptions options) => new(options, Table, NullLogger<KvReceiver>.Instance);

    /// <summary>A finished prefill of <paramref name="blocks"/> blocks with random content.</summary>
    public (PrefillHandle Prefill, HostBlocks Memory) NewPrefill(int blocks, int seed = 1)
    {
        var memory = new HostBlocks(Layout, blocks);
        new Random(seed).NextBytes(memory.Bytes);
        var prefill = new PrefillHandle("test", Layout, memory);
        prefill.Publish([.. Enumerable.Range(0, blocks)], blocks);
        return (prefill, memory);
    }

    /// <summary>An open reservation of blocks <paramref name="firstBlock"/> … <paramref name="blocks"/> − 1.</summary>
    public (Reservation Reservation, HostBlocks Memory) NewReservation(int blocks, int firstBlock = 0)
    {
        var memory = new HostBlocks(Layout, blocks);
        var handle = new SequenceHandle("test", System.Threading.Channels.Channel.CreateUnbounded<SequenceUpdate>().Reader, () => { });
        var reservation = new Reservation(
            Interlocked.Increment(ref _nextReservation), handle, Layout, [.. Enumerable.Range(firstBlock, blocks - firstBlock)], firstBlock, TimeSpan.FromMinutes(1), memory);
        _open.Add(Table.Open(reservation));
        return (reservation, memory);
    }

    public KvTarget Target(Reservation reservation, string? endpoint = null, int? epoch = null) => new(endpoint ?? Endpoint, reservation.Id, epoch ?? reservation.Epoch);

    /// <summary>A connection to the receiver that has proved the secret.</summary>
    public async Task<TcpClient> ConnectAsync()
    {
        var peer = new TcpClient();
        await peer.ConnectAsync(Receiver.LocalEndpoint);
        await KvHandshake.AsSenderAsync(peer.GetStream(), Secret, default).WaitAsync(TimeSpan.FromSeconds(30));
        return peer;
    }

    public async ValueTask DisposeAsync()
    {
        Transport.Dispose();
        await Receiver.DisposeAsync();
        _open.ForEach(entry => entry.Dispose());
    }

    /// <summary>An endpoint at which nothing listens.</summary>
    public static string DeadEndpoint()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return listener.LocalEndpoint.ToString()!;
    }
}

/// <summary>Blocks in plain memory, in the place of a device's cache: block table index = block id.</summary>
internal sealed class HostBlocks(KvLayout layout, int blocks) : IPrefillOwner, IReservationOwner
{
    public byte[] Bytes { get; } = new byte[blocks * layout.BlockBytesAllLayers];

    public int Writes { get; private set; }

    public bool IsReleased { get; private set; }

    /// <summary>Thrown by writes, as a device that has failed does.</summary>
    public Exception? Failure { get; set; }

    public int VocabularySize => int.MaxValue;

    public bool TryGather(ReadOnlySpan<int> ids, int firstLayer, int layers, Span<byte> destination)
    {
        for (int l = 0, at = 0; l < layers; l++)
        {
            foreach (int id in ids)
            {
                Block(firstLayer + l, id).CopyTo(destination.Slice(at, layout.BlockBytes));
                at += layout.BlockBytes;
            }
        }

        return true;
    }

    public bool TryScatter(ReadOnlySpan<int> ids, int firstLayer, int layers, ReadOnlySpan<byte> data)
    {
        if (Failure is not null)
        {
            throw Failure;
        }

        for (int l = 0, at = 0; l < layers; l++)
        {
            foreach (int id in ids)
            {
                data.Slice(at, layout.BlockBytes).CopyTo(Block(firstLayer + l, id));
                at += layout.BlockBytes;
            }
        }

        Writes++;
        return true;
    }

    public void Released(PrefillHandle prefill) => IsReleased |= prefill.Close(() => { });

    public long DeadlineAfter(TimeSpan lifetime) => long.MaxValue;

    public void Committed(Reservation reservation, ChosenToken first)
    {
    }

    public void StartedLocally(Reservation reservation)
    {
    }

    public void Released(Reservation reservation) => IsReleased = true;

    private Span<byte> Block(int layer, int id) => Bytes.AsSpan((int)((layer * (Bytes.Length / layout.BlockBytesAllLayers)) + id) * layout.BlockBytes, layout.BlockBytes);
}
