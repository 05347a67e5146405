using System.Collections.Concurrent;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests;

public sealed class InferenceEngineTests
{
    [Fact]
    public async Task Submit_OneSequence_YieldsItsTokensAndEnd()
    {
        await using var rig = new EngineRig();
        Generated result = await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(20, 1), 10));
        Assert.Equal(10, result.Tokens.Length);
        Assert.Equal(FinishCause.Length, result.End.Cause);
        Assert.Equal(new SequenceUsage(20, 0, 10), result.End.Usage);
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Published_SeveralSequences_RaisedOnceForAStep()
    {
        await using var rig = new EngineRig();
        using var submitted = new ManualResetEventSlim();
        int raised = 0;
        rig.Engine.Published += () =>
        {
            // The first step has to wait for all four, so that the others have them together.
            submitted.Wait();
            Interlocked.Increment(ref raised);
        };
        Task<Generated>[] running = [.. Enumerable.Range(0, 4).Select(i => rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(5, i), 50)))];
        submitted.Set();
        Generated[] results = await Task.WhenAll(running);
        await rig.AssertIdleAsync();

        Assert.Equal(200, results.Sum(result => result.Tokens.Length));
        Assert.InRange(raised, 50, 60);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(5)]
    public async Task Submit_ResumedBeyondItsLimit_EndsAtOnce(int maxTokens)
    {
        await using var rig = new EngineRig();
        Generated result = await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(15, 1), maxTokens) with { GeneratedInPrompt = 5 });
        Assert.Empty(result.Tokens);
        Assert.Equal((FinishCause.Length, new SequenceUsage(10, 0, 5)), (result.End.Cause, result.End.Usage));
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Submit_SixtyFourAtOnce_EachAsWhenAlone()
    {
        SequenceRequest[] requests =
        [
            .. Enumerable.Range(0, 64).Select(i => EngineRig.Request(
                EngineRig.Prompt(1 + (i * 7 % 60), i),
                1 + (i * 5 % 30),
                i % 3 == 0 ? SamplingParameters.Greedy : new SamplingParameters { Seed = (ulong)i, TopK = i % 3 == 1 ? 10 : 0 })),
        ];
        List<int[]> alone = [];
        await using (var rig = new EngineRig(EngineRig.SmallOptions with { MaxBatchTokens = 100, PrefixCache = false }))
        {
            foreach (SequenceRequest request in requests)
            {
                alone.Add((await rig.GenerateAsync(request)).Tokens);
            }
        }

        await using var together = new EngineRig(EngineRig.SmallOptions with { MaxSequences = 64, MaxBatchTokens = 96, KvBlocks = 700 });
        Generated[] results = await Task.WhenAll(requests.Select(together.GenerateAsync));
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Equal(alone[i], results[i].Tokens);
        }

        await together.AssertIdleAsync();
    }

    [Fact]
    public async Task Submit_SamePromptTwice_ComputesOnlyTheRest()
    {
        await using var rig = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(30, 1), 5);
        Generated first = await rig.GenerateAsync(request);
        await rig.AssertIdleAsync();
        long computed = rig.Engine.Status.ComputedPromptTokens;
        Assert.Equal(30, computed);
        Generated second = await rig.GenerateAsync(request);
        await rig.AssertIdleAsync();
        Assert.Equal(first.Tokens, second.Tokens);
        Assert.Equal(24, second.End.Usage.CachedTokens);
        Assert.Equal(30 + 6, rig.Engine.Status.ComputedPromptTokens);
        Assert.Equal(24, rig.Engine.Status.CachedPromptTokens);
    }

    [Fact]
    public async Task Submit_PromptOfWholeBlocksTwice_ComputesItsLastBlockAgain()
    {
        await using var rig = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(16, 1), 5);
        Generated first = await rig.GenerateAsync(request);
        Generated second = await rig.GenerateAsync(request);
        Assert.Equal(first.Tokens, second.Tokens);
        Assert.Equal(8, second.End.Usage.CachedTokens);
    }

    [Fact]
    public async Task Submit_OtherSalt_SharesNothing()
    {
        await using var rig = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(30, 1), 5);
        await rig.GenerateAsync(request);
        Generated other = await rig.GenerateAsync(request with { CacheSalt = "tenant" });
        Assert.Equal(0, other.End.Usage.CachedTokens);
    }

    [Fact]
    public async Task Submit_FourWithTheSameColdPrefix_ComputeItOnce()
    {
        await using var rig = new EngineRig();
        int[] prefix = EngineRig.Prompt(96, 1);
        SequenceRequest[] requests = [.. Enumerable.Range(0, 4).Select(i => EngineRig.Request([.. prefix, .. EngineRig.Prompt(4, 100 + i)], 6))];
        SequenceHandle[] handles = [.. requests.Select(rig.Submit)];
        Generated[] together = await Task.WhenAll(handles.Select(EngineRig.ReadAsync));
        await rig.AssertIdleAsync();
        Assert.Equal(96 + (4 * 4), rig.Engine.Status.ComputedPromptTokens);
        await using var fresh = new EngineRig(EngineRig.SmallOptions with { PrefixCache = false });
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal((await fresh.GenerateAsync(requests[i])).Tokens, together[i].Tokens);
        }
    }

    [Fact]
    public async Task Submit_ResumedAnswer_GoesOnAsTheFirstWould()
    {
        await using var rig = new EngineRig();
        var sampling = new SamplingParameters { Seed = 7, FrequencyPenalty = 0.7f, RepetitionPenalty = 1.2f };
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(11, 3), 20, sampling);
        Generated whole = await rig.GenerateAsync(request);
        Generated resumed = await rig.GenerateAsync(request with { Prompt = [.. request.Prompt, .. whole.Tokens[..9]], GeneratedInPrompt = 9, CacheSalt = "other" });
        Assert.Equal(whole.Tokens[9..], resumed.Tokens);
        Assert.Equal(new SequenceUsage(11, 0, 20), resumed.End.Usage);
    }

    [Fact]
    public async Task Submit_ResumedAnswerWithAllItsTokens_EndsAtOnce()
    {
        await using var rig = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(11, 3), 4);
        Generated result = await rig.GenerateAsync(request with { GeneratedInPrompt = 4 });
        Assert.Empty(result.Tokens);
        Assert.Equal(FinishCause.Length, result.End.Cause);
    }

    [Fact]
    public async Task Submit_UntilContextEnds_FinishesByLength()
    {
        await using var rig = new EngineRig(EngineRig.SmallOptions with { ContextLength = 40 });
        Generated result = await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(30, 1), 1000));
        Assert.Equal(10, result.Tokens.Length);
        Assert.Equal(FinishCause.Length, result.End.Cause);
    }

    [Fact]
    public async Task Submit_LongPromptWhileAnotherDecodes_IsCutByTheLimit()
    {
        var device = new HookedDevice();
        var rows = new ConcurrentQueue<int>();
        await using var rig = new EngineRig(device: device);
        SequenceHandle decoding = rig.Submit(EngineRig.Request(EngineRig.Prompt(5, 1), 240));
        await decoding.Updates.WaitToReadAsync(TestContext.Current.CancellationToken);
        device.OnStep = batch => rows.Enqueue(batch.RowCount);
        await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(100, 2), 1));

        // A token of the one that decodes beside 16 of the prompt.
        Assert.Equal(17, rows.Max());
    }

    [Fact]
    public async Task ReadCacheEvents_BlocksHandedOutAnew_NamesThemAsRemoved()
    {
        await using var rig = new EngineRig(EngineRig.SmallOptions with { KvBlocks = 8 });
        await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(40, 1), 1));
        PrefixCacheEvents first = rig.Engine.ReadCacheEvents(0);
        await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(50, 2), 1));
        PrefixCacheEvents second = rig.Engine.ReadCacheEvents(first.LastId);

        Assert.NotEmpty(second.Removed);
        Assert.Subset(first.Stored.ToHashSet(), second.Removed.ToHashSet());
        Assert.Equal(rig.Engine.Status.CachedBlocks, first.Stored.Count + second.Stored.Count - second.Removed.Count);
    }

    [Fact]
    public async Task Cancel_Running_EndsItAndFreesItsBlocks()
    {
        var device = new HookedDevice();
        using var gate = new SemaphoreSlim(5);
        device.OnStep = _ => gate.Wait();
        await using var rig = new EngineRig(device: device);
        SequenceHandle handle = rig.Submit(EngineRig.Request(EngineRig.Prompt(10, 1), 400));
        await rig.UntilAsync(status => status.GeneratedTokens == 5);
        handle.Cancel();
        gate.Release(2);
        Generated result = await EngineRig.ReadAsync(handle);
        Assert.Equal(FinishCause.Cancelled, result.End.Cause);
        Assert.InRange(result.Tokens.Length, 5, 6);
        handle.Cancel();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Cancel_AfterAChunkThatEndsOneShortOfABlock_LeavesOnlyWholeBlocksToOthers()
    {
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(30, 1), 5);
        await using var fresh = new EngineRig();
        var device = new HookedDevice();
        using var submitted = new ManualResetEventSlim();
        SequenceHandle? handle = null;
        device.OnStep = _ =>
        {
            submitted.Wait();
            handle!.Cancel();
        };
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxBatchTokens = 15, MaxPrefillTokensWhileDecoding = 15 }, device: device);
        handle = rig.Submit(request);
        submitted.Set();
        Assert.Equal(FinishCause.Cancelled, (await EngineRig.ReadAsync(handle)).End.Cause);
        device.OnStep = null;
        Assert.Equal(15, rig.Engine.Status.ComputedPromptTokens);
        Generated second = await rig.GenerateAsync(request);
        Assert.Equal(8, second.End.Usage.CachedTokens);
        Assert.Equal((await fresh.GenerateAsync(request)).Tokens, second.Tokens);
    }

    [Fact]
    public async Task Submit_TooManyForThePool_AllFinishAsWhenAlone()
    {
        SequenceRequest[] requests = [.. Enumerable.Range(0, 8).Select(i => EngineRig.Request(EngineRig.Prompt(10 + i, i), 40))];
        await using var roomy = new EngineRig();
        using var submitted = new ManualResetEventSlim();
        var device = new HookedDevice { OnStep = _ => submitted.Wait() };
        await using var tight = new EngineRig(EngineRig.SmallOptions with { KvBlocks = 14 }, device: device);
        SequenceHandle[] handles = [.. requests.Select(tight.Submit)];
        submitted.Set();
        Generated[] crowded = await Task.WhenAll(handles.Select(EngineRig.ReadAsync));
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Equal((await roomy.GenerateAsync(requests[i])).Tokens, crowded[i].Tokens);
        }

        Assert.True(tight.Engine.Status.Preemptions > 0);
        await tight.AssertIdleAsync();
    }
}
