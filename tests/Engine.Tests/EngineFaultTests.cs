using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Tests;

public sealed class EngineFaultTests
{
    [Fact]
    public async Task Step_DeviceFails_FailsSequencesAndRefusesMore()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        int steps = 0;
        using var gate = new ManualResetEventSlim();
        device.OnStep = _ =>
        {
            if (++steps == 3)
            {
                gate.Wait();
                throw new DeviceException("lost");
            }
        };
        SequenceHandle running = rig.Submit(EngineRig.Request(EngineRig.Prompt(10, 1), 400));
        await running.Updates.WaitToReadAsync();
        SequenceHandle second = rig.Submit(EngineRig.Request(EngineRig.Prompt(10, 2), 4));
        gate.Set();
        foreach (SequenceHandle handle in new[] { running, second })
        {
            var e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(handle));
            Assert.Equal(EngineFailure.DeviceFailed, e.Failure);
            Assert.Contains("lost", e.Message);
        }

        await rig.UntilAsync(status => status.Health == EngineHealth.Failed);
        Assert.Equal(RefusalReason.Failed, rig.Engine.Submit(EngineRig.Request([1], 1)).Refused?.Reason);
        Assert.Contains("lost", rig.Engine.Status.Failure);
        await rig.AssertIdleAsync();
        await rig.Engine.DrainAsync();
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1f)]
    public async Task Step_LogitsAreNotNumbers_FailsThatSequenceOnly(float temperature)
    {
        var device = new HookedDevice { SpoilLogits = true };
        await using var rig = new EngineRig(device: device);
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(10, 1), 4, new SamplingParameters { Temperature = temperature });
        var e = await Assert.ThrowsAsync<EngineException>(() => rig.GenerateAsync(request));
        Assert.Equal(EngineFailure.InvalidOutput, e.Failure);
        device.SpoilLogits = false;
        Assert.Equal(4, (await rig.GenerateAsync(request)).Tokens.Length);
        await rig.AssertIdleAsync();
    }

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
    public async Task Submit_QueueFull_RefusesWithRetryAfter()
    {
        var device = new HookedDevice();
        using var gate = new ManualResetEventSlim();
        device.OnStep = _ => gate.Wait();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxSequences = 1, MaxWaiting = 3 }, device: device);
        List<SequenceHandle> accepted = [];
        Refusal? refusal = null;
        while (refusal is null)
        {
            SubmitResult<SequenceHandle> result = rig.Engine.Submit(EngineRig.Request(EngineRig.Prompt(5, 1), 2));
            refusal = result.Refused;
            if (result.Accepted is { } handle)
            {
                accepted.Add(handle);
            }
        }

        Assert.InRange(accepted.Count, 3, 4);
        Assert.Equal(RefusalReason.QueueFull, refusal.Reason);
        Assert.True(refusal.RetryAfter >= TimeSpan.FromSeconds(1));
        gate.Set();
        await Task.WhenAll(accepted.Select(EngineRig.ReadAsync));
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Submit_HigherPriority_OvertakesInTheQueue()
    {
        var device = new HookedDevice();
        using var gate = new ManualResetEventSlim();
        device.OnStep = _ => gate.Wait();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxSequences = 1 }, device: device);
        SequenceHandle first = rig.Submit(EngineRig.Request(EngineRig.Prompt(5, 1), 2));
        await Task.Delay(20);
        SequenceHandle late = rig.Submit(EngineRig.Request(EngineRig.Prompt(5, 2), 2));
        SequenceHandle urgent = rig.Submit(EngineRig.Request(EngineRig.Prompt(5, 3), 2) with { Priority = -1 });
        gate.Set();
        Generated[] results = await Task.WhenAll(new[] { first, late, urgent }.Select(EngineRig.ReadAsync));
        Assert.True(results[2].End.Timeline.Admitted < results[1].End.Timeline.Admitted);
    }

    [Fact]
    public async Task Cancel_Waiting_EndsItWithoutBlocks()
    {
        var device = new HookedDevice();
        using var gate = new ManualResetEventSlim();
        device.OnStep = _ => gate.Wait();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxSequences = 1 }, device: device);
        SequenceHandle first = rig.Submit(EngineRig.Request(EngineRig.Prompt(5, 1), 2));
        SequenceHandle second = rig.Submit(EngineRig.Request(EngineRig.Prompt(5, 2), 2));
        second.Cancel();
        gate.Set();
        Assert.Empty((await EngineRig.ReadAsync(second)).Tokens);
        await EngineRig.ReadAsync(first);
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Engine_Idle_UsesNoSteps()
    {
        await using var rig = new EngineRig();
        await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(5, 1), 2));
        await rig.AssertIdleAsync();
        long steps = rig.Engine.Status.Steps;
        await Task.Delay(50);
        Assert.Equal(steps, rig.Engine.Status.Steps);
    }

    public static TheoryData<string, RefusalReason, SequenceRequest> Wrong => new()
    {
        { "empty", RefusalReason.InvalidRequest, EngineRig.Request([], 1) },
        { "token", RefusalReason.InvalidRequest, EngineRig.Request([96], 1) },
        { "negative token", RefusalReason.InvalidRequest, EngineRig.Request([-1], 1) },
        { "generated", RefusalReason.InvalidRequest, EngineRig.Request([1], 1) with { GeneratedInPrompt = 1 } },
        { "stop without tokenizer", RefusalReason.InvalidRequest, EngineRig.Request([1], 1) with { StopStrings = ["x"] } },
        { "top_p", RefusalReason.InvalidRequest, EngineRig.Request([1], 1, new SamplingParameters { TopP = 0 }) },
        { "NaN", RefusalReason.InvalidRequest, EngineRig.Request([1], 1, new SamplingParameters { Temperature = float.NaN }) },
        { "bias", RefusalReason.InvalidRequest, EngineRig.Request([1], 1, new SamplingParameters { LogitBias = new Dictionary<int, float> { [96] = 1 } }) },
        { "long", RefusalReason.TooLong, EngineRig.Request(EngineRig.Prompt(512, 1), 1) },
    };

    [Theory]
    [MemberData(nameof(Wrong), DisableDiscoveryEnumeration = true)]
    public async Task Submit_WrongRequest_IsRefused(string what, RefusalReason reason, SequenceRequest request)
    {
        await using var rig = new EngineRig();
        Refusal? refused = rig.Engine.Submit(request).Refused;
        Assert.True(reason == refused?.Reason, what);
        Assert.NotNull(refused.Parameter);
    }
}
