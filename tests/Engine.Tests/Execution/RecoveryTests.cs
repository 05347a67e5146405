using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Tests.Disaggregation;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Tests.Execution;

/// <summary>A device that computes nothing for a while: the engine gives up what it has, keeps its weights, and serves again.</summary>
public sealed class RecoveryTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Step_DeviceFailsForAMoment_ServesAgainWithTheSameTokens()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(50, 1), 12, new SamplingParameters { Seed = 1 });
        int[] expected = (await rig.GenerateAsync(request)).Tokens;
        PrefixCacheEvents before = rig.Engine.ReadCacheEvents(0);
        Assert.True(before.Stored.Count >= 6);

        // The step of several, of one alone, and the probe.
        using var submitted = new ManualResetEventSlim();
        FailNext(device, 3, () => new IOException("broken device"), submitted);
        var neighbours = Neighbours.Start(rig);
        submitted.Set();
        foreach (SequenceHandle handle in neighbours.Handles)
        {
            EngineException e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(handle));
            Assert.Equal((EngineFailure.DeviceFailed, false), (e.Failure, e.BlamesSequence));
            Assert.Contains("broken device", e.Message);
        }

        await rig.UntilAsync(status => status is { Health: EngineHealth.Serving, Recoveries: 1 });
        EngineStatus status = rig.Engine.Status;
        Assert.Equal((0, 0, 0), (status.BlamedSequences, status.CachedBlocks, status.TransientFailures));
        Assert.Contains("broken device", status.LastFailure);
        Assert.True(status.LastRecoverySeconds > 0);

        // Readers are told that everything is gone, by ids that go on.
        PrefixCacheEvents gone = rig.Engine.ReadCacheEvents(before.LastId);
        Assert.False(gone.IsSnapshot);
        Assert.Empty(gone.Stored);
        Assert.Equal(before.Stored.Order(), gone.Removed.Order());
        Assert.Empty(rig.Engine.ReadCacheEvents(-1).Stored);

        Generated again = await rig.GenerateAsync(request);
        Assert.Equal(expected, again.Tokens);
        Assert.Equal(0, again.End.Usage.CachedTokens);
        Assert.Equal(48, (await rig.GenerateAsync(request)).End.Usage.CachedTokens);
        Assert.False(rig.Engine.Lost.IsCompleted);
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Step_DeviceStaysBroken_IsLostAfterAsManyFailuresAsAllowed()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxFailures = 2 }, device: device);
        using var submitted = new ManualResetEventSlim();
        FailNext(device, int.MaxValue, () => new IOException("broken device"), submitted);
        var neighbours = Neighbours.Start(rig);
        submitted.Set();
        foreach (SequenceHandle handle in neighbours.Handles)
        {
            Assert.Equal(EngineFailure.DeviceFailed, await FailureOfAsync(handle));
        }

        EngineException lost = await rig.Engine.Lost.WaitAsync(Patience);
        Assert.Contains("broken device", lost.Message);
        Assert.Equal((EngineHealth.Failed, 0), (rig.Engine.Status.Health, rig.Engine.Status.Recoveries));
        Assert.Contains("broken device", rig.Engine.Status.Failure);
        Refusal? refusal = rig.Engine.Submit(EngineRig.Request([1], 1)).Refused;
        Assert.Equal((RefusalReason.Failed, null), (refusal?.Reason, refusal?.RetryAfter));
        await rig.AssertIdleAsync();
        await rig.Engine.DrainAsync();
    }

    [Fact]
    public async Task Step_FailsAgainAfterAsManyRecoveriesAsAllowed_IsLost()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxFailures = 2 }, device: device);
        for (int i = 1; i <= 3; i++)
        {
            FailNext(device, 3, () => new IOException("broken device"));
            await Assert.ThrowsAsync<EngineException>(() => rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(20, i), 4)));
            await rig.UntilAsync(
                status => i < 3 ? status.Recoveries == i && status.Health == EngineHealth.Serving : status.Health == EngineHealth.Failed);
        }

        await rig.Engine.Lost.WaitAsync(Patience);
    }

    [Fact]
    public async Task Step_DeviceIsLost_IsLostAtOnce()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        int steps = 0;
        using var submitted = new ManualResetEventSlim();
        device.OnStep = _ =>
        {
            submitted.Wait();
            if (++steps >= 3)
            {
                throw new DeviceException("lost");
            }
        };
        SequenceHandle[] handles =
        [
            rig.Submit(EngineRig.Request(EngineRig.Prompt(10, 1), 400)),
            rig.Submit(EngineRig.Request(EngineRig.Prompt(10, 2), 400)),
        ];
        submitted.Set();
        foreach (SequenceHandle handle in handles)
        {
            EngineException e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(handle));
            Assert.Equal(EngineFailure.DeviceFailed, e.Failure);
            Assert.Contains("lost", e.Message);
        }

        Assert.Contains("lost", (await rig.Engine.Lost.WaitAsync(Patience)).Message);

        // The step and the probe: nothing more is asked of a device that is gone.
        Assert.Equal(4, steps);
        await rig.UntilAsync(status => status.Health == EngineHealth.Failed);
        Assert.Contains("lost", rig.Engine.Status.Failure);
        await rig.AssertIdleAsync();
        await rig.Engine.DrainAsync();
    }

    [Fact]
    public async Task Submit_WhileRecovering_IsRefusedForAMoment()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        using var reached = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        int steps = 0;
        device.OnStep = _ =>
        {
            steps++;
            if (steps == 4)
            {
                reached.Set();
                goOn.Wait();
            }
            else if (steps < 4)
            {
                throw new IOException("broken device");
            }
        };
        SequenceHandle failed = rig.Submit(EngineRig.Request(EngineRig.Prompt(20, 1), 4));
        await Task.Run(reached.Wait, TestContext.Current.CancellationToken);
        Assert.Equal(EngineHealth.Recovering, rig.Engine.Status.Health);
        Assert.Contains("broken device", rig.Engine.Status.Failure);
        await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(failed));
        Refusal? refusal = rig.Engine.Submit(EngineRig.Request([1], 1)).Refused;
        Assert.Equal((RefusalReason.Failed, TimeSpan.FromSeconds(1)), (refusal?.Reason, refusal?.RetryAfter));
        goOn.Set();
        await rig.UntilAsync(status => status.Health == EngineHealth.Serving);
        Assert.Equal(4, (await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(20, 1), 4))).Tokens.Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Drain_WhileRecovering_StaysAsked(bool askedBefore)
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        using var reached = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        int steps = 0;
        device.OnStep = _ =>
        {
            if (++steps == (askedBefore ? 1 : 4))
            {
                reached.Set();
                goOn.Wait();
            }

            if (steps < 4)
            {
                throw new IOException("broken device");
            }
        };
        SequenceHandle failed = rig.Submit(EngineRig.Request(EngineRig.Prompt(20, 1), 4));
        await Task.Run(reached.Wait, TestContext.Current.CancellationToken);
        Task drained = rig.Engine.DrainAsync();
        goOn.Set();
        await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(failed));
        await drained.WaitAsync(Patience);
        await rig.UntilAsync(status => status is { Health: EngineHealth.Draining, Recoveries: 1 });
        Assert.Equal(RefusalReason.Stopping, rig.Engine.Submit(EngineRig.Request([1], 1)).Refused?.Reason);
    }

    [Fact]
    public async Task Recovery_CopiesInProgress_KeepTheirBlocksUntilTheyAreDone()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        Reservation written = (await rig.Engine.ReserveAsync(EngineRig.Request(EngineRig.Prompt(30, 1), 12))).Accepted!;
        Reservation idle = (await rig.Engine.ReserveAsync(EngineRig.Request(EngineRig.Prompt(30, 2), 12))).Accepted!;
        var sink = new CollectingSink();
        PrefillHandle fetched = rig.Engine.SubmitPrefill(EngineRig.Request(EngineRig.Prompt(30, 3), 1), 0, sink).Accepted!;
        await sink.Completed;
        using var gate = new ManualResetEventSlim();
        using var entered = new CountdownEvent(2);
        device.OnCopy = () =>
        {
            entered.Signal();
            gate.Wait();
        };
        Task<WriteOutcome> write = Task.Run(() => written.Write(1, 0, 0, 2, new byte[written.Layout.BlockBytesAllLayers]));
        Task<bool> read = Task.Run(() => fetched.TryGather(0, 4, 0, 1, new byte[4 * fetched.Layout.BlockBytes]));
        entered.Wait(TestContext.Current.CancellationToken);
        device.OnCopy = null;

        FailNext(device, 3, () => new IOException("broken device"));
        await Assert.ThrowsAsync<EngineException>(() => rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(20, 4), 4)));
        await rig.UntilAsync(status => status is { Recoveries: 1, Health: EngineHealth.Serving });

        // Four blocks each are still being copied; the others are free, and nothing new may be copied.
        await rig.UntilAsync(status => status.FreeBlocks == 56);
        await rig.Engine.CheckIntegrityAsync();
        Assert.Equal(WriteOutcome.Closed, idle.Write(1, 0, 0, 2, new byte[idle.Layout.BlockBytesAllLayers]));
        Assert.Equal(CommitOutcome.Closed, idle.Commit(1, new ChosenToken(1)));
        Assert.False(fetched.TryGather(0, 4, 0, 1, new byte[4 * fetched.Layout.BlockBytes]));
        Assert.Equal(4, (await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(300, 5), 4))).Tokens.Length);

        gate.Set();
        Assert.Equal(WriteOutcome.Written, await write);
        Assert.True(await read);
        foreach (Reservation reservation in new[] { written, idle })
        {
            Assert.Equal(EngineFailure.DeviceFailed, await FailureOfAsync(reservation.Handle));
        }

        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Recovery_FilledReservationAndQueuedOnes_Fail()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { KvBlocks = 8 }, device: device);
        Reservation reservation = (await rig.Engine.ReserveAsync(EngineRig.Request(EngineRig.Prompt(30, 1), 12))).Accepted!;
        Assert.Equal(WriteOutcome.Written, reservation.Write(1, 0, 0, 2, new byte[4 * reservation.Layout.BlockBytesAllLayers]));
        FailNext(device, 3, () => new IOException("broken device"));
        Task<SubmitResult<Reservation>> queued = rig.Engine.ReserveAsync(EngineRig.Request(EngineRig.Prompt(60, 2), 4));
        await rig.UntilAsync(status => status.Waiting == 1);
        Assert.Equal(CommitOutcome.Committed, reservation.Commit(1, new ChosenToken(1)));
        EngineException e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(reservation.Handle));
        Assert.Equal(EngineFailure.DeviceFailed, e.Failure);
        Assert.Equal(EngineFailure.DeviceFailed, (await Assert.ThrowsAsync<EngineException>(() => queued)).Failure);
        await rig.UntilAsync(status => status is { Recoveries: 1, Health: EngineHealth.Serving });
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Step_NoSequenceGetsNumbers_BlamesTheDevice()
    {
        var device = new HookedDevice { SpoilLogits = (_, _) => true };
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxFailures = 1000 }, device: device);
        EngineException e = await Assert.ThrowsAsync<EngineException>(
            () => rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(10, 1), 4)));
        Assert.Equal(EngineFailure.DeviceFailed, e.Failure);
        device.SpoilLogits = null;
        await rig.UntilAsync(status => status.Health == EngineHealth.Serving);
        Assert.Equal(4, (await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(10, 1), 4))).Tokens.Length);
        Assert.Equal((0, 1), (rig.Engine.Status.BlamedSequences, rig.Engine.Status.Recoveries));
        await rig.AssertIdleAsync();
    }

    /// <summary>The next so many steps throw, the first of them not before all that is to see it is submitted.</summary>
    private static void FailNext(HookedDevice device, int steps, Func<Exception> failure, ManualResetEventSlim? submitted = null)
    {
        int left = steps;
        device.OnStep = _ =>
        {
            submitted?.Wait();
            if (left-- > 0)
            {
                throw failure();
            }
        };
    }

    private static async Task<EngineFailure> FailureOfAsync(SequenceHandle handle) =>
        (await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(handle))).Failure;
}
