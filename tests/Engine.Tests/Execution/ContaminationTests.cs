using System.Runtime.InteropServices;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Tests.Disaggregation;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Model;

namespace ServingGrid.Engine.Tests.Execution;

/// <summary>
/// Keys and values that are not numbers: nobody finds them, nobody is sent them, and nobody has to end because somebody else's were
/// spoiled.
/// </summary>
public sealed class ContaminationTests
{
    private const int BlockSize = 8;

    [Theory]
    [InlineData(0, 20)]
    [InlineData(1, 20)]
    [InlineData(1, 41)]
    public async Task Step_KeysOfAChunkAreSpoiledOnce_GivesTheSameTokens(int layer, int position)
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        bool once = false;
        device.OnAppended = SpoilMarked(device, layer, position, () => !once && (once = true));
        var neighbours = Neighbours.Start(rig);
        SequenceRequest request = EngineRig.Request(MarkedSequences.Prompt(60, 1), 12, new SamplingParameters { Seed = 1 });
        await using var clean = new EngineRig();
        int[] expected = (await clean.GenerateAsync(request)).Tokens;

        Assert.Equal(expected, (await rig.GenerateAsync(request)).Tokens);
        Assert.True(once);
        await neighbours.AssertUndisturbedAsync();

        // What it has left can be used.
        Generated again = await rig.GenerateAsync(request);
        Assert.Equal((56, 0), (again.End.Usage.CachedTokens, rig.Engine.Status.BlamedSequences));
        Assert.Equal(expected, again.Tokens);
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Step_KeysAreSpoiledWhenever_EndsThatSequenceAndLeavesNothingToFind()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        device.OnAppended = SpoilMarked(device, layer: 0, position: 30, () => true);
        var neighbours = Neighbours.Start(rig);
        int[] prompt = MarkedSequences.Prompt(60, 1);
        EngineException e = await Assert.ThrowsAsync<EngineException>(() => rig.GenerateAsync(EngineRig.Request(prompt, 12)));
        Assert.Equal((EngineFailure.InvalidOutput, true), (e.Failure, e.BlamesSequence));
        await neighbours.AssertUndisturbedAsync();
        Assert.Empty(rig.Engine.ReadCacheEvents(-1).Stored.Intersect(Hashes(rig.Engine, prompt)));
        EngineStatus status = rig.Engine.Status;
        Assert.Equal((EngineHealth.Serving, 1, 0), (status.Health, status.BlamedSequences, status.Recoveries));

        // The same prompt, when nothing is wrong any longer.
        device.OnAppended = null;
        Generated result = await rig.GenerateAsync(EngineRig.Request(prompt, 12));
        Assert.Equal((12, 0), (result.Tokens.Length, result.End.Usage.CachedTokens));
        await rig.AssertIdleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Step_LogitsOfOneSequenceAreNotNumbers_EndsThatOneOnly(bool wholeRow)
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        var marked = new MarkedSequences();
        device.OnStep = batch => marked.IsIn(batch);
        device.SpoilLogits = marked.HasRow;
        var neighbours = Neighbours.Start(rig);
        SamplingParameters sampling = wholeRow ? new SamplingParameters { Seed = 1 } : SamplingParameters.Greedy;
        EngineException e = await Assert.ThrowsAsync<EngineException>(
            () => rig.GenerateAsync(EngineRig.Request(MarkedSequences.Prompt(20, 1), 4, sampling)));
        Assert.Equal(EngineFailure.InvalidOutput, e.Failure);
        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
        Assert.Equal((1, 0, 0), (rig.Engine.Status.BlamedSequences, rig.Engine.Status.FailedSteps, rig.Engine.Status.Recoveries));
    }

    [Fact]
    public async Task Step_SharedBlockIsSpoiled_ItsReadersGetTheSameTokens()
    {
        int[] prefix = MarkedSequences.Prompt(40, 1);
        SequenceRequest[] requests = [.. Enumerable.Range(0, 4).Select(i => EngineRig.Request(
            [.. prefix, .. EngineRig.Prompt(3 + i, i)], 20, new SamplingParameters { Temperature = i % 2, Seed = (ulong)i }))];
        await using var clean = new EngineRig(EngineRig.SmallOptions with { PrefixCache = false });
        Generated[] expected = await Task.WhenAll(requests.Select(clean.GenerateAsync));

        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        await rig.GenerateAsync(EngineRig.Request(prefix, 1));
        bool spoiled = false;
        device.OnStep = batch =>
        {
            // While all of them decode: a block that they share, long after it was checked.
            if (!spoiled && batch.SequenceCount == requests.Length && batch.RowCount == requests.Length)
            {
                spoiled = true;
                int[] blocks = [.. Enumerable.Range(0, requests.Length).Select(i => batch.Blocks[batch.Sequences[i].FirstBlock + 3])];
                Assert.Single(blocks.Distinct());
                device.SpoilBlock(device.Cache!, 1, blocks[0]);
            }
        };
        Generated[] results = await Task.WhenAll(requests.Select(rig.GenerateAsync));
        Assert.True(spoiled);
        Assert.Equal(expected.Select(one => one.Tokens), results.Select(one => one.Tokens));
        Assert.Equal((0, 0), (rig.Engine.Status.BlamedSequences, rig.Engine.Status.Recoveries));
        Assert.Equal(expected[0].Tokens, (await rig.GenerateAsync(requests[0])).Tokens);
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Step_CachedBlockWasSpoiled_ThoseWhoFindItGetTheSameTokens()
    {
        SequenceRequest request = EngineRig.Request(MarkedSequences.Prompt(60, 1), 12);
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        int block = -1;
        device.OnStep = batch => block = batch.Sequences[0].BlockCount > 2 ? batch.Blocks[batch.Sequences[0].FirstBlock + 2] : block;
        int[] expected = (await rig.GenerateAsync(request)).Tokens;
        await rig.AssertIdleAsync();
        device.OnStep = null;
        device.SpoilBlock(device.Cache!, 0, block);
        Generated[] results = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => rig.GenerateAsync(request)));
        Assert.All(results, result => Assert.Equal(expected, result.Tokens));
        Assert.Equal(0, rig.Engine.Status.BlamedSequences);
        await rig.AssertIdleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Prefill_KeysAreSpoiled_SendsNoneOfThem(bool prefixWasCached)
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        int[] prompt = MarkedSequences.Prompt(100, 1);
        device.OnAppended = SpoilMarked(device, layer: 1, position: 70, () => true);
        if (prefixWasCached)
        {
            await rig.GenerateAsync(EngineRig.Request(prompt[..33], 1));
        }

        var neighbours = Neighbours.Start(rig);
        var sink = new GatheringSink();
        Assert.NotNull(rig.Engine.SubmitPrefill(EngineRig.Request(prompt, 4), 0, sink).Accepted);
        EngineException e = await sink.Failure.WaitAsync(TimeSpan.FromMinutes(1));

        // A reader of others' blocks is not to blame before it was computed with its own.
        Assert.Equal(prefixWasCached ? EngineFailure.DeviceFailed : EngineFailure.InvalidOutput, e.Failure);
        Assert.InRange(sink.Blocks, 5, 70 / BlockSize);
        Assert.False(sink.HasNaN);
        await neighbours.AssertUndisturbedAsync();
        Assert.Empty(rig.Engine.ReadCacheEvents(-1).Stored.Intersect(Hashes(rig.Engine, prompt)));
        await rig.AssertIdleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Prefill_KeysAreSpoiledOnceBeforeAnythingIsAnnounced_IsComputedAnew(bool prefixIsKnown)
    {
        SequenceRequest request = EngineRig.Request(MarkedSequences.Prompt(30, 1), 1);
        await using var clean = new EngineRig();
        int[] expected = (await clean.GenerateAsync(request)).Tokens;
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        bool once = false;
        device.OnAppended = SpoilMarked(device, layer: 1, position: 20, () => !once && (once = true));
        if (prefixIsKnown)
        {
            // The receiver has these two blocks and is not told of them.
            await rig.GenerateAsync(EngineRig.Request(request.Prompt[..17], 1));
        }

        var sink = new CollectingSink();
        PrefillHandle handle = rig.Engine.SubmitPrefill(request, prefixIsKnown ? 16 : 0, sink).Accepted!;
        Assert.Equal(expected[0], (await sink.Completed.WaitAsync(TimeSpan.FromMinutes(1))).First.Token);
        Assert.True(once);
        Assert.Equal(0, rig.Engine.Status.BlamedSequences);
        handle.Release();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Prefill_KeysAreSpoiledWheneverBeforeAnythingIsAnnounced_BlamesItTheSecondTime()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        int tries = 0;
        device.OnAppended = SpoilMarked(device, layer: 1, position: 20, () => ++tries > 0);
        var sink = new GatheringSink();
        Assert.NotNull(rig.Engine.SubmitPrefill(EngineRig.Request(MarkedSequences.Prompt(30, 1), 1), 0, sink).Accepted);
        EngineException e = await sink.Failure.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal((EngineFailure.InvalidOutput, 2, 0), (e.Failure, tries, sink.Blocks));
        await rig.AssertIdleAsync();
    }

    private static Action<StepBatch, KvCache, int> SpoilMarked(HookedDevice device, int layer, int position, Func<bool> wanted)
    {
        var marked = new MarkedSequences();
        return (batch, cache, now) =>
        {
            foreach (SequenceRows rows in batch.Sequences)
            {
                bool computes = rows.FirstPosition <= position && position < rows.FirstPosition + rows.RowCount;
                if (marked.IsMarked(batch, rows) && now == layer && computes && wanted())
                {
                    device.SpoilBlock(cache, layer, batch.Blocks[rows.FirstBlock + (position / BlockSize)]);
                }
            }
        };
    }

    private static List<UInt128> Hashes(InferenceEngine engine, int[] prompt)
    {
        List<UInt128> hashes = [];
        UInt128 parent = BlockHasher.Root(engine.CacheFingerprint, engine.Numerics, null);
        for (int block = 0; block < prompt.Length / BlockSize; block++)
        {
            parent = BlockHasher.Next(parent, prompt.AsSpan(block * BlockSize, BlockSize));
            hashes.Add(parent);
        }

        return hashes;
    }

    /// <summary>Fetches blocks as they are announced, and looks at them.</summary>
    private sealed class GatheringSink : IPrefillSink
    {
        private readonly TaskCompletionSource<EngineException> _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<EngineException> Failure => _failure.Task;

        public int Blocks { get; private set; }

        public bool HasNaN { get; private set; }

        public void BlocksReady(PrefillHandle prefill, int firstBlock, int count)
        {
            byte[] data = new byte[count * prefill.Layout.BlockBytesAllLayers];
            Assert.True(prefill.TryGather(firstBlock, count, 0, prefill.Layout.Layers, data));
            HasNaN |= MemoryMarshal.Cast<byte, float>(data).ContainsAnyExceptInRange(float.MinValue, float.MaxValue);
            Blocks += count;
        }

        public void Completed(PrefillHandle prefill, ChosenToken first, int cachedTokens) => Assert.Fail("its keys are spoiled");

        public void Failed(PrefillHandle prefill, EngineException reason) => _failure.TrySetResult(reason);
    }
}
