using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Transfer;

namespace ServingGrid.Grains.Tests.Transfer;

/// <summary>What a bad peer may do to a receiver: nothing wrong reaches a block, and nothing waits for ever.</summary>
public sealed class KvReceiverFaultTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // Sender's handshake: 32 bytes of nonce and 32 of proof; frames follow.
    private const int HandshakeBytes = 64;

    [Fact]
    public async Task Receiver_PeerWithoutProof_GetsAChallengeAndNothingElse()
    {
        await using var rig = new TransferRig();
        (_, HostBlocks received) = rig.NewReservation(1);
        using var peer = new TcpClient();
        await peer.ConnectAsync(rig.Receiver.LocalEndpoint);
        await peer.GetStream().WriteAsync(new byte[HandshakeBytes + 200]);
        using var everything = new MemoryStream();
        try
        {
            await peer.GetStream().CopyToAsync(everything).WaitAsync(Deadline);
        }
        catch (IOException)
        {
            // A reset instead of an orderly end: we had sent more than was read.
        }

        Assert.True(everything.Length <= 48, $"{everything.Length} bytes were sent to a stranger");
        Assert.Equal(0, received.Writes);
    }

    [Fact]
    public async Task Receiver_ReplayedFrame_ConnectionEndsAndNothingChanges()
    {
        await using var rig = new TransferRig();
        (Reservation reservation, HostBlocks received) = rig.NewReservation(1);
        using var peer = await rig.ConnectAsync();
        NetworkStream stream = peer.GetStream();
        byte[] frame = Frame(rig, new KvFrame(0, reservation.Id, 1, 0, 0, 4, (int)rig.Layout.BlockBytesAllLayers), fill: 7);
        await stream.WriteAsync(frame);
        byte[] ack = new byte[KvFrame.AckBytes];
        await stream.ReadExactlyAsync(ack).AsTask().WaitAsync(Deadline);
        Assert.Equal((0, FrameOutcome.Written), KvFrame.ReadAck(ack));

        await stream.WriteAsync(frame);
        Assert.Equal(0, await ReadToEndAsync(stream));
        Assert.Equal(1, received.Writes);
    }

    [Fact]
    public async Task Receiver_RandomBytesAndTruncatedFrames_ServesOnWithNothingWritten()
    {
        await using var rig = new TransferRig();
        (Reservation reservation, HostBlocks received) = rig.NewReservation(2);
        var random = new Random(5);
        for (int i = 0; i < 60; i++)
        {
            using TcpClient peer = await rig.ConnectAsync();
            byte[] frame = Frame(rig, new KvFrame(0, reservation.Id, 1, 0, 0, 4, (int)rig.Layout.BlockBytesAllLayers), fill: (byte)i);
            if (i % 3 == 0)
            {
                random.NextBytes(frame);
            }
            else if (i % 3 == 1)
            {
                frame = frame[..random.Next(1, frame.Length)];
            }
            else
            {
                // One field of the header, with a hash that no longer fits or a length that was never meant.
                frame[random.Next(KvFrame.Bytes)] ^= (byte)(1 << random.Next(8));
            }

            NetworkStream stream = peer.GetStream();
            try
            {
                await stream.WriteAsync(frame);
                peer.Client.Shutdown(SocketShutdown.Send);
            }
            catch (Exception exception) when (exception is IOException or SocketException)
            {
                // The receiver was quicker to end it.
            }

            await ReadToEndAsync(stream);
        }

        Assert.Equal(0, received.Writes);
        (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(2);
        await rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 2, default).WaitAsync(Deadline);
        Assert.Equal(source.Bytes, received.Bytes);
    }

    [Theory]
    [InlineData(20)]
    [InlineData(KvFrame.Bytes)]
    [InlineData(KvFrame.Bytes + 100)]
    public async Task Receiver_TruncatedFrame_RefusedAndCounted(int bytes)
    {
        using var refused = new RefusedPeers(nameof(KvTransferFailure.Connection));
        await using var rig = new TransferRig();
        (Reservation reservation, HostBlocks received) = rig.NewReservation(1);
        using TcpClient peer = await rig.ConnectAsync();
        NetworkStream stream = peer.GetStream();
        await stream.WriteAsync(Frame(rig, new KvFrame(0, reservation.Id, 1, 0, 0, 4, (int)rig.Layout.BlockBytesAllLayers), fill: 1).AsMemory(0, bytes));
        peer.Client.Shutdown(SocketShutdown.Send);
        await ReadToEndAsync(stream);

        Assert.True(refused.Count >= 1, "the frame was not counted");
        Assert.Equal(0, received.Writes);
    }

    [Fact]
    public async Task Receiver_DeviceFails_SenderIsToldAndTheFailureIsCounted()
    {
        using var refused = new RefusedPeers("error");
        await using var rig = new TransferRig();
        (PrefillHandle prefill, _) = rig.NewPrefill(1);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(1);
        received.Failure = new InvalidOperationException("the device is gone");

        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 1, default).WaitAsync(Deadline));

        Assert.Equal(KvTransferFailure.Connection, exception.Failure);
        Assert.True(refused.Count >= 1, "the failure was not counted");
    }

    [Fact]
    public async Task Receiver_SilentPeer_TheSystemAsksWhetherItIsThere()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the timers of sockets are read from /proc");
        await using var rig = new TransferRig();
        using TcpClient peer = await rig.ConnectAsync();
        string from = $":{((IPEndPoint)peer.Client.LocalEndPoint!).Port:X4}";
        string to = $":{rig.Receiver.LocalEndpoint.Port:X4}";

        // "sl local remote state tx:rx timer:when …": timer 2 is that of keep-alive probes; until the last bytes are acknowledged it is another.
        // While other sockets come and go, the list may name one several times or, in one reading, leave it out.
        string timer = "not listed";
        using CancellationTokenSource limit = new(Deadline);
        while (!timer.StartsWith("02:", StringComparison.Ordinal))
        {
            Assert.False(limit.IsCancellationRequested, $"the timer is {timer}");
            string[][] lines = [.. (await File.ReadAllLinesAsync("/proc/net/tcp")).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
            timer = lines.FirstOrDefault(fields => fields[1].EndsWith(to, StringComparison.Ordinal) && fields[2].EndsWith(from, StringComparison.Ordinal))?[5] ?? timer;
            await Task.Delay(20);
        }
    }

    private static byte[] Frame(TransferRig rig, KvFrame frame, byte fill)
    {
        byte[] bytes = new byte[KvFrame.Bytes + rig.Layout.BlockBytesAllLayers];
        bytes.AsSpan(KvFrame.Bytes).Fill(fill);
        frame.Write(bytes);
        return bytes;
    }

    /// <summary>Bytes until the receiver closes the connection (or resets it).</summary>
    private static async Task<int> ReadToEndAsync(NetworkStream stream)
    {
        byte[] buffer = new byte[1024];
        int total = 0;
        try
        {
            while (await stream.ReadAsync(buffer).AsTask().WaitAsync(Deadline) is > 0 and int read)
            {
                total += read;
            }
        }
        catch (IOException)
        {
            // A reset ends it just as well.
        }

        return total;
    }

    /// <summary>Counts the peers that receivers of this process refuse for a reason.</summary>
    private sealed class RefusedPeers : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long _count;

        public RefusedPeers(string reason)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "servinggrid_kv_transfer_refused_peers_total")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, value, tags, _) => Interlocked.Add(ref _count, Equals(tags[0].Value, reason) ? value : 0));
            _listener.Start();
        }

        public long Count => Interlocked.Read(ref _count);

        public void Dispose() => _listener.Dispose();
    }
}
