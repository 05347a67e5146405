using System.Net.Sockets;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Transfer;

namespace ServingGrid.Grains.Tests.Transfer;

/// <summary>How many connections a receiver keeps, with proof and without.</summary>
public sealed class KvReceiverLimitTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private static readonly KvTransferOptions Few = new()
    {
        ClusterSecret = TransferRig.Secret,
        MaxConnections = 2,
        MaxStrangers = 3,
        ConnectTimeout = TimeSpan.FromMinutes(1),
    };

    [Fact]
    public async Task Receiver_MoreStrangersThanItKeeps_TheOldestGoesAndASiloStillGetsIn()
    {
        await using var rig = new TransferRig(options: Few);
        List<TcpClient> strangers = [];
        try
        {
            for (int i = 0; i < 10; i++)
            {
                strangers.Add(await GreetedAsync(rig));
            }

            Assert.All(await Task.WhenAll(strangers.Take(7).Select(IsEndedAsync)), Assert.True);

            (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(2);
            (Reservation reservation, HostBlocks received) = rig.NewReservation(2);
            await rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 2, default).WaitAsync(Deadline);
            Assert.Equal(source.Bytes, received.Bytes);
        }
        finally
        {
            strangers.ForEach(stranger => stranger.Dispose());
        }
    }

    [Fact]
    public async Task Receiver_MorePeersThanItKeeps_TheNewestIsRefusedUntilOneLeaves()
    {
        await using var rig = new TransferRig(options: Few);
        using TcpClient first = await rig.ConnectAsync();
        using TcpClient second = await rig.ConnectAsync();
        using (TcpClient third = await rig.ConnectAsync())
        {
            Assert.True(await IsEndedAsync(third));
        }

        first.Dispose();
        (PrefillHandle prefill, HostBlocks source) = rig.NewPrefill(1);
        (Reservation reservation, HostBlocks received) = rig.NewReservation(1);
        using CancellationTokenSource limit = new(Deadline);
        while (received.Writes == 0)
        {
            try
            {
                await rig.Transport.SendAsync(rig.Target(reservation), prefill, 0, 1, limit.Token);
            }
            catch (KvTransferException) when (!limit.IsCancellationRequested)
            {
                // The receiver has not noticed yet that the first has left.
                await Task.Delay(20, limit.Token);
            }
        }

        Assert.Equal(source.Bytes, received.Bytes);
    }

    /// <summary>A connection that has been served its challenge and does not answer it.</summary>
    private static async Task<TcpClient> GreetedAsync(TransferRig rig)
    {
        var peer = new TcpClient();
        await peer.ConnectAsync(rig.Receiver.LocalEndpoint);
        await peer.GetStream().ReadExactlyAsync(new byte[48]).AsTask().WaitAsync(Deadline);
        return peer;
    }

    private static async Task<bool> IsEndedAsync(TcpClient peer)
    {
        try
        {
            return await peer.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline) == 0;
        }
        catch (IOException)
        {
            // A reset ends it just as well.
            return true;
        }
    }
}
