using ServingGrid.Engine;
using ServingGrid.Grains.Tests.Cluster;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Transfer;

public sealed class PrefillPushTests
{
    [Fact]
    public async Task Run_DecodeSideGone_BlocksAreUnpinnedLongBeforeTheirDeadline()
    {
        await using Worker worker = Worker.Open(GridCluster.Options);
        using var transport = new TcpKvTransport(new KvTransferOptions());
        var request = new SequenceRequest { Id = "orphan", Prompt = GridCluster.Prompt(200), MaxTokens = 4 };
        var target = new KvTarget(TransferRig.DeadEndpoint(), 1, 1);

        await Assert.ThrowsAsync<KvTransferException>(() => PrefillPush.RunAsync(worker.Engine, transport, request, 0, target, default));

        using CancellationTokenSource limit = new(worker.Engine.Options.ReservationLifetime / 3);
        while (worker.Engine.Status is not { Running: 0, Pinned: 0, ComputedPromptTokens: > 0 } status || status.FreeBlocks != status.TotalBlocks)
        {
            Assert.False(limit.IsCancellationRequested, $"{worker.Engine.Status}");
            await Task.Delay(5);
        }
    }
}
