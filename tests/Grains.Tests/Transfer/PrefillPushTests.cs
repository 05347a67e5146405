using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Tests.Cluster;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Transfer;

public sealed class PrefillPushTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly KvTarget Target = new("127.0.0.1:1", 1, 1);

    [Fact]
    public async Task Run_DecodeSideGone_BlocksAreUnpinnedLongBeforeTheirDeadline()
    {
        await using Worker worker = Worker.Open(GridCluster.Options);
        using var transport = new TcpKvTransport(new KvTransferOptions());
        SequenceRequest request = Request(200);
        var target = new KvTarget(TransferRig.DeadEndpoint(), 1, 1);

        await Assert.ThrowsAsync<KvTransferException>(() => PrefillPush.RunAsync(worker.Engine, transport, request, 0, target, default));

        using CancellationTokenSource limit = new(worker.Engine.Options.ReservationLifetime / 3);
        while (worker.Engine.Status is not { Running: 0, Pinned: 0, ComputedPromptTokens: > 0 } status || status.FreeBlocks != status.TotalBlocks)
        {
            Assert.False(limit.IsCancellationRequested, $"{worker.Engine.Status}");
            await Task.Delay(5);
        }
    }

    [Fact]
    public async Task Run_SeveralOnOneScheduler_SendBesideEachOther()
    {
        const int Pushes = 3;
        await using Worker worker = Worker.Open(GridCluster.Options);
        using CountdownEvent sending = new(Pushes);
        var transport = new Transport(_ =>
        {
            // Holds its thread, as copying and hashing do.
            sending.Signal();
            return sending.Wait(Patience) ? Task.CompletedTask : throw new TimeoutException("It sends alone.");
        });

        // As a grain's: one turn at a time.
        TaskFactory grain = new(new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler);
        await Task.WhenAll(Enumerable.Range(0, Pushes).Select(
            i => grain.StartNew(() => PrefillPush.RunAsync(worker.Engine, transport, Request(20, i), 0, Target, default)).Unwrap()));
    }

    [Fact]
    public async Task Run_EngineFails_SendingEndsWithIt()
    {
        await using Worker worker = Worker.Open(GridCluster.Options);
        CancellationToken given = default;
        var transport = new Transport(cancellation =>
        {
            given = cancellation;
            _ = worker.Engine.DisposeAsync().AsTask();
            return Task.Delay(Timeout.Infinite, cancellation);
        });

        EngineException failure = await Assert.ThrowsAsync<EngineException>(
            () => PrefillPush.RunAsync(worker.Engine, transport, Request(2000), 0, Target, default).WaitAsync(Patience));

        Assert.Equal((EngineFailure.Stopped, true), (failure.Failure, given.IsCancellationRequested));
    }

    [Fact]
    public async Task Run_Cancelled_EndsWhenNothingIsSentAnyMore()
    {
        await using Worker worker = Worker.Open(GridCluster.Options);
        using CancellationTokenSource request = new();
        TaskCompletionSource last = new();
        var transport = new Transport(_ =>
        {
            request.Cancel();
            return last.Task;
        });
        Task push = PrefillPush.RunAsync(worker.Engine, transport, Request(200), 0, Target, request.Token);
        while (!request.IsCancellationRequested || worker.Engine.Status is not { Running: 0, Pinned: 0 })
        {
            await Task.Delay(5);
        }

        Assert.False(push.IsCompleted);
        last.SetResult();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => push.WaitAsync(Patience));
    }

    private static SequenceRequest Request(int tokens, int seed = 1) =>
        new() { Id = $"{seed}", Prompt = GridCluster.Prompt(tokens, seed), MaxTokens = 4 };

    private sealed class Transport(Func<CancellationToken, Task> send) : IKvTransport
    {
        public Task SendAsync(KvTarget target, PrefillHandle source, int firstBlock, int count, CancellationToken cancellation) =>
            send(cancellation);
    }
}
