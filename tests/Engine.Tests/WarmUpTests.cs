using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests;

public sealed class WarmUpTests
{
    [Fact]
    public async Task WarmUpAsync_NewEngine_ComputesAndLeavesNoTrace()
    {
        using var device = new HookedDevice();
        int steps = 0;
        int most = 0;
        device.OnStep = batch =>
        {
            steps++;
            most = Math.Max(most, batch.SequenceCount);
        };
        await using var rig = new EngineRig(device: device);
        EngineStatus before = rig.Engine.Status;

        Assert.True(await rig.Engine.WarmUpAsync());

        await rig.Engine.CheckIntegrityAsync();
        Assert.True(steps > 4 && most > 1, $"{steps} steps, at most {most} sequences");
        Assert.Equal(before, rig.Engine.Status);
        Assert.Equal(0, rig.Engine.ReadCacheEvents(0).LastId);
    }

    [Fact]
    public async Task WarmUpAsync_ThenItsOwnPrompt_ComputesAllOfIt()
    {
        int[] prompt = [.. Enumerable.Range(0, 48)];
        await using var cold = new EngineRig();
        int[] expected = (await cold.GenerateAsync(EngineRig.Request(prompt, 10))).Tokens;
        await using var rig = new EngineRig();
        await rig.Engine.WarmUpAsync();

        Generated result = await rig.GenerateAsync(EngineRig.Request(prompt, 10));

        Assert.Equal(expected, result.Tokens);
        Assert.Equal(0, result.End.Usage.CachedTokens);
        await rig.AssertIdleAsync();
        Assert.Equal((48, 10, 1), (rig.Engine.Status.ComputedPromptTokens, rig.Engine.Status.GeneratedTokens, rig.Engine.Status.Finished));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    public async Task WarmUpAsync_RequestComes_GivesWayAfterTheStep(int step)
    {
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(40, 1), 12, new SamplingParameters { Seed = 7 });
        await using var cold = new EngineRig();
        int[] expected = (await cold.GenerateAsync(request)).Tokens;
        using var device = new HookedDevice();
        using var reached = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        int steps = 0;
        device.OnStep = _ =>
        {
            if (Interlocked.Increment(ref steps) == step)
            {
                reached.Set();
                goOn.Wait();
            }
        };
        await using var rig = new EngineRig(device: device);
        Task<bool> warmUp = rig.Engine.WarmUpAsync();
        await Task.Run(reached.Wait, TestContext.Current.CancellationToken);

        SequenceHandle handle = rig.Submit(request);
        goOn.Set();

        Assert.False(await warmUp);
        Generated result = await EngineRig.ReadAsync(handle);
        Assert.Equal(expected, result.Tokens);
        await rig.AssertIdleAsync();
        Assert.Equal(steps - step, rig.Engine.Status.Steps);
    }

    [Fact]
    public async Task WarmUpAsync_EngineHasServed_ComputesNothing()
    {
        await using var rig = new EngineRig();
        await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(20, 1), 4));
        await rig.AssertIdleAsync();

        Assert.False(await rig.Engine.WarmUpAsync());
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(4, 2)]
    [InlineData(7, 3)]
    public async Task WarmUpAsync_LittleRoom_Succeeds(int blocks, int sequences)
    {
        await using var rig = new EngineRig(EngineRig.SmallOptions with { KvBlocks = blocks, MaxSequences = sequences, MaxBatchTokens = 8 });

        Assert.True(await rig.Engine.WarmUpAsync());
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task WarmUpAsync_DeviceFails_FailsAndEndsTheService()
    {
        using var device = new HookedDevice { OnStep = _ => throw new IOException("broken") };
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxFailures = 1 }, device: device);

        EngineException failure = await Assert.ThrowsAsync<EngineException>(rig.Engine.WarmUpAsync);

        Assert.Equal(EngineFailure.DeviceFailed, failure.Failure);
        Assert.Contains("broken", failure.Message);
        await rig.UntilAsync(status => status.Health == EngineHealth.Failed);
        Assert.Equal(RefusalReason.Failed, rig.Engine.Submit(EngineRig.Request([1, 2], 1)).Refused?.Reason);
    }

    [Fact]
    public async Task WarmUpAsync_LogitsAreNotNumbers_FailsAndServesAgainWhenTheyAre()
    {
        using var device = new HookedDevice { SpoilLogits = (_, _) => true };
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxFailures = 1000 }, device: device);

        EngineException failure = await Assert.ThrowsAsync<EngineException>(rig.Engine.WarmUpAsync);

        Assert.Contains("not a number", failure.Message);
        device.SpoilLogits = null;
        await rig.UntilAsync(status => status is { Health: EngineHealth.Serving, Recoveries: 1 });
        Assert.Equal(3, (await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(20, 1), 3))).Tokens.Length);
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task WarmUpAsync_EngineIsDisposed_Ends()
    {
        var rig = new EngineRig();
        Task<bool> warmUp = rig.Engine.WarmUpAsync();
        await rig.DisposeAsync();
        await warmUp;

        Assert.False(await rig.Engine.WarmUpAsync());
    }
}
