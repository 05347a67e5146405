using System.Net.Sockets;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Transfer;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Tests.Transfer;

public sealed class KvTransferTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(1, 1, 8, 1, 4096)]
    [InlineData(4, 2, 16, 7, 1 << 20)]
    [InlineData(4, 2, 16, 7, 20_000)]
    [InlineData(5, 3, 64, 9, 1 << 20)]
    [InlineData(30, 3, 64, 5, 30_000)]
    public async Task Send_AnyLayoutAndFrameSize_ArrivesToTheByte(int layers, int kvHeads, int headSize, int blocks, int maxFrame)
    {
        var layout = new KvLayout(layers, kvHeads, headSize);
        await using var rig = new TransferRig(layout, new KvTransferOptions { ClusterSecret = TransferRig.Secret, MaxFrameBytes = maxFrame, FramesInFlight = 3 });
        (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(blocks);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(blocks);

        // In two runs, as chunks become ready.
        int first = blocks / 2;
        if (first > 0)
        {
            await rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, first, default).WaitAsync(Deadline);
        }

        Assert.Equal(CommitOutcome.Incomplete, reservation.Commit(1, new(7)));
        await rig.Transport.SendAsync(rig.Target(reservation), prefill, first, blocks - first, default).WaitAsync(Deadline);

        Assert.Equal(source.Bytes, received.Bytes);
        Assert.Equal(CommitOutcome.Committed, reservation.Commit(1, new(7)));
    }

    [Fact]
    public async Task Send_ManyTransfersAtATime_EachArrives()
    {
        await using var rig = new TransferRig(options: new KvTransferOptions { ClusterSecret = TransferRig.Secret, MaxFrameBytes = 10_000, FramesInFlight = 4 });
        var transfers = Enumerable.Range(0, 20).Select(i => (Source: rig.NewPrefill(1 + i, i), Target: rig.NewReservation(1 + i))).ToList();
        await Task.WhenAll(transfers.Select(t => rig.Transport.SendAsync(rig.Target(t.Target.Reservation), t.Source.Prefill, 0, t.Source.Memory.Bytes.Length / (int)rig.Layout.BlockBytesAllLayers, default))).WaitAsync(Deadline);
        Assert.All(transfers, t => Assert.Equal(t.Source.Memory.Bytes, t.Target.Memory.Bytes));
    }

    [Fact]
    public async Task Send_StaleEpochOrNoReservation_RefusedAndNothingChanged()
    {
        await using var rig = new TransferRig();
        (PrefillHandle prefill, _) = rig.NewPrefill(3);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(3);
        KvTarget stale = rig.Target(reservation);
        Assert.Equal(2, reservation.Renew(TimeSpan.FromMinutes(1)));

        await AssertRefused(stale, "StaleEpoch");
        await AssertRefused(stale with { Reservation = long.MaxValue }, "NoReservation");
        reservation.Release();
        await AssertRefused(rig.Target(reservation), "NoReservation");
        Assert.Equal(0, received.Writes);

        async Task AssertRefused(KvTarget target, string outcome)
        {
            KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(target, prefill, 0, 3, default).WaitAsync(Deadline));
            Assert.Equal(KvTransferFailure.Refused, exception.Failure);
            Assert.Contains(outcome, exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Send_BlocksSentTwice_SecondRefusedFirstStays()
    {
        await using var rig = new TransferRig();
        (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(2, seed: 1);
        (PrefillHandle other, _) = rig.NewPrefill(2, seed: 2);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(2);
        await rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 2, default).WaitAsync(Deadline);
        await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(rig.Target(reservation), other, 0, 2, default).WaitAsync(Deadline));
        Assert.Equal(source.Bytes, received.Bytes);
    }

    [Fact]
    public async Task Send_OutsideTheReservation_Refused()
    {
        await using var rig = new TransferRig();
        (PrefillHandle prefill, _) = rig.NewPrefill(4);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(3, firstBlock: 1);
        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 4, default).WaitAsync(Deadline));
        Assert.Contains("Invalid", exception.Message, StringComparison.Ordinal);
        Assert.Equal(0, received.Writes);
    }

    [Fact]
    public async Task Send_SourceReleased_FailsInsteadOfSendingOtherData()
    {
        await using var rig = new TransferRig();
        (PrefillHandle prefill, _) = rig.NewPrefill(2);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(2);
        prefill.Release();
        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 2, default).WaitAsync(Deadline));
        Assert.Equal(KvTransferFailure.SourceGone, exception.Failure);
        Assert.Equal(0, received.Writes);
    }

    [Fact]
    public async Task Send_NobodyListens_FailsAndTheNextAttemptConnectsAnew()
    {
        await using var rig = new TransferRig();
        (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(1);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(1);
        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(() => rig.Transport.SendAsync(rig.Target(reservation, TransferRig.DeadEndpoint()), prefill, 0, 1, default).WaitAsync(Deadline));
        Assert.Equal(KvTransferFailure.Connection, exception.Failure);
        await rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 1, default).WaitAsync(Deadline);
        Assert.Equal(source.Bytes, received.Bytes);
    }

    [Fact]
    public async Task Send_NoDescriptorIsLeft_FailsAndTheNextAttemptConnectsAnew()
    {
        await using var rig = new TransferRig();
        int opened = 0;
        using var transport = new TcpKvTransport(rig.Options, () => opened++ == 0
            ? throw new SocketException((int)SocketError.TooManyOpenSockets)
            : new Socket(SocketType.Stream, ProtocolType.Tcp));
        (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(1);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(1);

        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(
            () => transport.SendAsync(rig.Target(reservation), prefill, 0, 1, default).WaitAsync(Deadline));
        Assert.Equal((KvTransferFailure.Connection, 0), (exception.Failure, transport.Connections));

        await transport.SendAsync(rig.Target(reservation), prefill, 0, 1, default).WaitAsync(Deadline);
        Assert.Equal(source.Bytes, received.Bytes);
    }

    [Theory]
    [InlineData("[]:1")]
    [InlineData("no port")]
    [InlineData("no such host.:1")]
    public async Task Send_EndpointThatIsNone_FailsAndIsNotKept(string endpoint)
    {
        await using var rig = new TransferRig();
        (PrefillHandle prefill, _) = rig.NewPrefill(1);
        (Reservation reservation, _) = rig.NewReservation(1);

        KvTransferException exception = await Assert.ThrowsAsync<KvTransferException>(
            () => rig.Transport.SendAsync(rig.Target(reservation, endpoint), prefill, 0, 1, default).WaitAsync(Deadline));
        Assert.Equal((KvTransferFailure.Connection, 0), (exception.Failure, rig.Transport.Connections));
    }

    [Theory]
    [InlineData("")]
    [InlineData("short")]
    public void Options_SecretMissingBeyondLoopback_Refused(string secret) =>
        Assert.Throws<ArgumentException>(() => new KvTransferOptions { Listen = new(System.Net.IPAddress.Any, 0), ClusterSecret = secret }.Validate());
}
