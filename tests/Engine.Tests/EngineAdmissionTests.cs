using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests;

/// <summary>What an engine takes, what it refuses, and in which order what waits has its turn.</summary>
public sealed class EngineAdmissionTests
{
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
        { "min_tokens", RefusalReason.InvalidRequest, EngineRig.Request([1], 1) with { MinTokens = 2 } },
        { "top_p", RefusalReason.InvalidRequest, EngineRig.Request([1], 1, new SamplingParameters { TopP = -0.1f }) },
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
