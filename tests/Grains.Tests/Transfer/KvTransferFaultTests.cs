using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Transfer;

namespace ServingGrid.Grains.Tests.Transfer;

/// <summary>What a bad network may do to a sender: nothing wrong reaches a block, and nothing waits for ever.</summary>
public sealed class KvTransferFaultTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // Sender's handshake: 32 bytes of nonce and 32 of proof; frames follow.
    private const int HandshakeBytes = 64;

    [Theory]
    [InlineData(HandshakeBytes + KvFrame.Bytes + 1000)]
    [InlineData(HandshakeBytes + 20)]
    [InlineData(HandshakeBytes + 45)]
    public async Task Send_OneBitFlipped_SentAgainAndArrivesToTheByte(int position)
    {
        await using var rig = new TransferRig();
        int flipped = 0;
        await using var proxy = new FaultyProxy(rig.Endpoint, (offset, bytes) =>
        {
            if (position >= offset && position < offset + bytes.Length && Interlocked.Exchange(ref flipped, 1) == 0)
            {
                bytes.Span[(int)(position - offset)] ^= 0x10;
            }

            return ValueTask.FromResult(true);
        });
        (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(5);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(5);
        await rig.Transport.SendAsync(rig.Target(reservation, proxy.Endpoint), prefill, 0, 5, default).WaitAsync(Deadline);
        Assert.Equal(1, flipped);
        Assert.Equal(source.Bytes, received.Bytes);
    }

    [Fact]
    public async Task Send_EveryFrameCorrupt_FailsAfterItsResendsAndNothingIsWritten()
    {
        await using var rig = new TransferRig();
        await using var proxy = new FaultyProxy(rig.Endpoint, (offset, bytes) =>
        {
            for (int i = 0; i < bytes.Length; i++)
            {
                // The payload only, so that the stream stays readable.
                long at = offset + i - HandshakeBytes;
                if (at >= 0 && at % (KvFrame.Bytes + rig.Layout.BlockBytesAllLayers) == 5000)
                {
                    bytes.Span[i] ^= 1;
                }
            }

            return ValueTask.FromResult(true);
        });
        (PrefillHandle prefill, _) = rig.NewPrefill(1);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(1);
        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(rig.Target(reservation, proxy.Endpoint), prefill, 0, 1, default).WaitAsync(Deadline));
        Assert.Contains("Corrupt", exception.Message, StringComparison.Ordinal);
        Assert.Equal(0, received.Writes);
    }

    [Fact]
    public async Task Send_ConnectionCutInAFrame_FailsAndARenewedEpochSucceeds()
    {
        await using var rig = new TransferRig(options: new KvTransferOptions { ClusterSecret = TransferRig.Secret, MaxFrameBytes = 32768 });
        await using var proxy = new FaultyProxy(rig.Endpoint, (offset, bytes) => ValueTask.FromResult(offset + bytes.Length < 100_000));
        (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(9);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(9);
        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(rig.Target(reservation, proxy.Endpoint), prefill, 0, 9, default).WaitAsync(Deadline));
        Assert.Equal(KvTransferFailure.Connection, exception.Failure);

        Assert.Equal(2, reservation.Renew(TimeSpan.FromMinutes(1)));
        await rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 9, default).WaitAsync(Deadline);
        Assert.Equal(source.Bytes, received.Bytes);
        Assert.Equal(CommitOutcome.Committed, reservation.Commit(2, new(1)));
    }

    [Fact]
    public async Task Send_NetworkGoesSilent_StalledWithinItsTimeout()
    {
        await using var rig = new TransferRig(options: new KvTransferOptions { ClusterSecret = TransferRig.Secret, StallTimeout = TimeSpan.FromMilliseconds(300) });
        var never = new TaskCompletionSource<bool>();
        await using var proxy = new FaultyProxy(rig.Endpoint, async (offset, _) => offset < HandshakeBytes || await never.Task);
        (PrefillHandle prefill, _) = rig.NewPrefill(3);
        (Reservation reservation, _) = rig.NewReservation(3);
        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(rig.Target(reservation, proxy.Endpoint), prefill, 0, 3, default).WaitAsync(Deadline));
        Assert.Equal(KvTransferFailure.Stalled, exception.Failure);
        never.SetResult(false);
    }

    [Fact]
    public async Task Send_AnotherSecret_UnauthenticatedOnBothSides()
    {
        await using var rig = new TransferRig();
        using var stranger = new TcpKvTransport(rig.Options with { ClusterSecret = "another secret, just as long" });
        (PrefillHandle prefill, _) = rig.NewPrefill(1);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(1);
        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => stranger.SendAsync(rig.Target(reservation), prefill, 0, 1, default).WaitAsync(Deadline));
        Assert.Equal(KvTransferFailure.Unauthenticated, exception.Failure);
        Assert.Equal(0, received.Writes);
    }

    [Fact]
    public async Task Transport_PeersThatLeft_AreForgotten()
    {
        await using var rig = new TransferRig();
        (PrefillHandle prefill, _) = rig.NewPrefill(1);
        for (int i = 0; i < 20; i++)
        {
            (Reservation reservation, _) = rig.NewReservation(1);
            await using KvReceiver silo = rig.NewReceiver(rig.Options);
            await rig.Transport.SendAsync(rig.Target(reservation, silo.LocalEndpoint.ToString()), prefill, 0, 1, default).WaitAsync(Deadline);
        }

        // The last ones may not have been noticed yet.
        Assert.InRange(rig.Transport.Connections, 1, 10);
    }
}
