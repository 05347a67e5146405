using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests;

/// <summary>An engine that is drained or disposed.</summary>
public sealed class EngineEndTests
{
    [Fact]
    public async Task Dispose_WhileSequencesRun_FailsThem()
    {
        var device = new HookedDevice();
        using var gate = new SemaphoreSlim(5);
        device.OnStep = _ => gate.Wait();
        var rig = new EngineRig(device: device);
        SequenceHandle[] handles = [.. Enumerable.Range(0, 20).Select(i => rig.Submit(EngineRig.Request(EngineRig.Prompt(10, i), 500)))];
        Task disposed = rig.Engine.DisposeAsync().AsTask();
        gate.Release(3);
        await disposed;
        foreach (SequenceHandle handle in handles)
        {
            Assert.Equal(EngineFailure.Stopped, (await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(handle))).Failure);
        }

        Assert.Equal(RefusalReason.Stopping, rig.Engine.Submit(EngineRig.Request([1], 1)).Refused?.Reason);
        Assert.Equal(EngineHealth.Stopped, rig.Engine.Status.Health);
        await rig.DisposeAsync();
    }

    [Fact]
    public async Task Drain_SequencesRun_FinishesThemAndRefusesMore()
    {
        await using var rig = new EngineRig();
        SequenceHandle handle = rig.Submit(EngineRig.Request(EngineRig.Prompt(10, 1), 50));
        Task drained = rig.Engine.DrainAsync();
        Assert.Equal(RefusalReason.Stopping, rig.Engine.Submit(EngineRig.Request([1], 1)).Refused?.Reason);
        Assert.Equal(50, (await EngineRig.ReadAsync(handle)).Tokens.Length);
        await drained.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Drain_WhileOthersSubmit_FinishesWhatItHasAccepted()
    {
        for (int round = 0; round < 60; round++)
        {
            await using var rig = new EngineRig();
            List<SequenceHandle> accepted = [];
            using var started = new ManualResetEventSlim();
            Task submitting = Task.Run(() =>
            {
                while (rig.Engine.Submit(EngineRig.Request([1, 2, 3], 1)) is { Accepted: { } handle })
                {
                    accepted.Add(handle);
                    started.Set();
                }
            });
            started.Wait(TestContext.Current.CancellationToken);
            await rig.Engine.DrainAsync().WaitAsync(TimeSpan.FromMinutes(1));
            await rig.Engine.DisposeAsync();
            await submitting;

            // None of them is failed because the engine has stopped.
            foreach (SequenceHandle handle in accepted)
            {
                Assert.Single((await EngineRig.ReadAsync(handle)).Tokens);
            }
        }
    }

    [Fact]
    public async Task WarmUp_EngineFailsMeanwhile_IsAnsweredAndNotBegunAgain()
    {
        var device = new HookedDevice();
        var rig = new EngineRig(EngineRig.SmallOptions with { MaxFailures = 0 }, device: device);
        using var reached = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        device.OnStep = _ =>
        {
            reached.Set();
            goOn.Wait();
            throw new IOException("broken device");
        };

        // The first gives way to the second, which fails and takes the engine out of service; the third must not be begun on it. Each of
        // them is answered.
        Task<bool> first = rig.Engine.WarmUpAsync();
        await Task.Run(reached.Wait, TestContext.Current.CancellationToken);
        Task check = rig.Engine.CheckIntegrityAsync();
        Task<bool> second = rig.Engine.WarmUpAsync();
        goOn.Set();
        Assert.False(await first.WaitAsync(TimeSpan.FromMinutes(1)));
        await check.WaitAsync(TimeSpan.FromMinutes(1));
        await Assert.ThrowsAsync<EngineException>(() => second.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.False(await rig.Engine.WarmUpAsync().WaitAsync(TimeSpan.FromMinutes(1)));
        await rig.UntilAsync(status => status.Health == EngineHealth.Failed);
        await rig.DisposeAsync();
    }
}
