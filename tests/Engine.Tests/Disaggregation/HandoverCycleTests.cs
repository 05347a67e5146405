using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests.Disaggregation;

/// <summary>Devices that compute prompts for each other, so that each could wait for the others: none of them waits for long.</summary>
public sealed class HandoverCycleTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public async Task Handover_RingOfDevicesWithTheSamePrompt_EachIsComputedByTheNext(int devices)
    {
        await using var single = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(50, 1), 8);
        int[] expected = (await single.GenerateAsync(request)).Tokens;
        List<EngineRig> rigs = [.. Enumerable.Range(0, devices).Select(_ => new EngineRig())];
        try
        {
            // All reserve before the first prefill is there: each of them finds that its blocks are expected from elsewhere.
            List<Reservation> reservations = [];
            foreach (EngineRig rig in rigs)
            {
                reservations.Add(await ReserveAsync(rig, request));
            }

            Task<Generated>[] answers =
                [.. reservations.Select((reservation, i) => FillAsync(rigs[(i + 1) % devices], reservation, request))];
            foreach (Generated answer in await Task.WhenAll(answers).WaitAsync(Patience))
            {
                Assert.Equal(expected, answer.Tokens);
            }

            foreach (EngineRig rig in rigs)
            {
                await rig.AssertIdleAsync();
            }
        }
        finally
        {
            foreach (EngineRig rig in rigs)
            {
                await rig.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task Handover_LocalSequencesWaitForTheReservations_AllEnd()
    {
        await using var one = new EngineRig();
        await using var two = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(50, 1), 8);
        Reservation atOne = await ReserveAsync(one, request);
        Reservation atTwo = await ReserveAsync(two, request);
        SequenceHandle[] locals = [one.Submit(request), two.Submit(request)];
        await one.UntilAsync(status => status.Waiting == 1);
        await two.UntilAsync(status => status.Waiting == 1);

        Generated[] answers = await Task.WhenAll(
            [FillAsync(two, atOne, request), FillAsync(one, atTwo, request), .. locals.Select(EngineRig.ReadAsync)]).WaitAsync(Patience);

        Assert.All(answers, answer => Assert.Equal(answers[0].Tokens, answer.Tokens));
        // Once on each device, and what a cache never has: the tokens of blocks that are not full.
        Assert.InRange(one.Engine.Status.ComputedPromptTokens + two.Engine.Status.ComputedPromptTokens, 50, 120);
        await one.AssertIdleAsync();
        await two.AssertIdleAsync();
    }

    [Fact]
    public async Task SubmitPrefill_TwoWithThePrefixOfAReservation_ComputedOnce()
    {
        await using var rig = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(80, 1), 8);
        Reservation reservation = await ReserveAsync(rig, request);
        var first = new CollectingSink();
        var second = new CollectingSink();
        PrefillHandle[] handles =
            [rig.Engine.SubmitPrefill(request, 0, first).Accepted!, rig.Engine.SubmitPrefill(request, 0, second).Accepted!];
        await Task.WhenAll(first.Completed, second.Completed).WaitAsync(Patience);

        // All but the last block, which is never shared.
        Assert.Equal(80 + 8, rig.Engine.Status.ComputedPromptTokens);
        Array.ForEach(handles, handle => handle.Release());
        reservation.Release();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task SubmitPrefill_ReservationsHoldEveryPlace_RefusedAndAllComputeTheirOwn()
    {
        EngineOptions options = EngineRig.SmallOptions with { MaxSequences = 1 };
        await using var one = new EngineRig(options);
        await using var two = new EngineRig(options);
        await AssertRefusedAndComputedHere(one, two, promptTokens: 30);
    }

    [Fact]
    public async Task SubmitPrefill_ReservationsHoldTheBlocks_RefusedAndAllComputeTheirOwn()
    {
        EngineOptions options = EngineRig.SmallOptions with { KvBlocks = 16 };
        await using var one = new EngineRig(options);
        await using var two = new EngineRig(options);
        await AssertRefusedAndComputedHere(one, two, promptTokens: 70);
    }

    [Fact]
    public async Task SubmitPrefill_RoomIsHeldByASequenceThatComputes_WaitsForIt()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { KvBlocks = 16 }, device: device);
        using var step = new HeldStep(device);
        step.Hold();
        SequenceHandle local = rig.Submit(EngineRig.Request(EngineRig.Prompt(70, 1), 40));
        await step.Begun.WaitAsync(Patience);
        Task<Reservation> reserving = ReserveAsync(rig, EngineRig.Request(EngineRig.Prompt(8, 2), 8));
        var sink = new CollectingSink();
        PrefillHandle handle = rig.Engine.SubmitPrefill(EngineRig.Request(EngineRig.Prompt(70, 3), 8), 0, sink).Accepted!;
        step.GoOn();
        Reservation reservation = await reserving.WaitAsync(Patience);

        await sink.Completed.WaitAsync(Patience);

        Assert.Equal(40, (await EngineRig.ReadAsync(local)).Tokens.Length);
        handle.Release();
        reservation.Release();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task SubmitPrefill_PrefixOfAReservation_NeedsNoRoomTwice()
    {
        // Ten of sixteen blocks are held, eight of which the prefill finds in the cache.
        var device = new HookedDevice();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { KvBlocks = 16 }, device: device);
        using var step = new HeldStep(device);
        int[] prefix = EngineRig.Prompt(64, 1);
        await rig.GenerateAsync(EngineRig.Request(prefix, 1));
        Reservation reservation = await ReserveAsync(rig, EngineRig.Request([.. prefix, .. EngineRig.Prompt(10, 2)], 8));
        step.Hold();
        SequenceHandle local = rig.Submit(EngineRig.Request(EngineRig.Prompt(40, 4), 8));
        await step.Begun.WaitAsync(Patience);
        var sink = new CollectingSink();
        PrefillHandle handle = rig.Engine.SubmitPrefill(EngineRig.Request([.. prefix, .. EngineRig.Prompt(40, 3)], 8), 0, sink).Accepted!;
        step.GoOn();

        Assert.Equal(64, (await sink.Completed.WaitAsync(Patience)).Cached);

        await EngineRig.ReadAsync(local);
        handle.Release();
        reservation.Release();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task SubmitPrefill_BehindASequenceThatWaitsForReservations_GoesFirst()
    {
        await using var rig = new EngineRig(EngineRig.SmallOptions with { KvBlocks = 16 });
        Reservation reservation = await ReserveAsync(rig, EngineRig.Request(EngineRig.Prompt(70, 1), 8));
        SequenceHandle local = rig.Submit(EngineRig.Request(EngineRig.Prompt(70, 2), 8));
        SequenceHandle behind = rig.Submit(EngineRig.Request(EngineRig.Prompt(9, 3), 8));
        await rig.UntilAsync(status => status.Waiting == 2);
        var sink = new CollectingSink();
        PrefillHandle handle = rig.Engine.SubmitPrefill(EngineRig.Request(EngineRig.Prompt(30, 4), 8), 0, sink).Accepted!;

        await sink.Completed.WaitAsync(Patience);

        // Only a prompt of another device goes first: others still wait for their turn.
        Assert.Equal(2, rig.Engine.Status.Waiting);
        handle.Release();
        reservation.Release();
        Assert.Equal(8, (await EngineRig.ReadAsync(local)).Tokens.Length);
        Assert.Equal(8, (await EngineRig.ReadAsync(behind)).Tokens.Length);
        await rig.AssertIdleAsync();
    }

    /// <summary>Each holds what the other's prefill needs.</summary>
    private static async Task AssertRefusedAndComputedHere(EngineRig one, EngineRig two, int promptTokens)
    {
        SequenceRequest first = EngineRig.Request(EngineRig.Prompt(promptTokens, 1), 8);
        SequenceRequest second = EngineRig.Request(EngineRig.Prompt(promptTokens, 2), 8);
        Reservation atOne = await ReserveAsync(one, first);
        Reservation atTwo = await ReserveAsync(two, second);
        var atTwoForOne = new CollectingSink();
        var atOneForTwo = new CollectingSink();
        Assert.NotNull(two.Engine.SubmitPrefill(first, atOne.CachedTokens, atTwoForOne).Accepted);
        Assert.NotNull(one.Engine.SubmitPrefill(second, atTwo.CachedTokens, atOneForTwo).Accepted);

        foreach (CollectingSink sink in new[] { atTwoForOne, atOneForTwo })
        {
            EngineException refused = await Assert.ThrowsAsync<EngineException>(() => sink.Completed.WaitAsync(Patience));
            Assert.Equal(EngineFailure.NoRoom, refused.Failure);
        }

        Assert.True(atOne.StartLocal());
        Assert.True(atTwo.StartLocal());
        Assert.Equal(8, (await EngineRig.ReadAsync(atOne.Handle)).Tokens.Length);
        Assert.Equal(8, (await EngineRig.ReadAsync(atTwo.Handle)).Tokens.Length);
        await one.AssertIdleAsync();
        await two.AssertIdleAsync();
    }

    /// <summary>Lets a device's steps wait while a test prepares what comes next; disposed of before the device's engine.</summary>
    private sealed class HeldStep(HookedDevice device) : IDisposable
    {
        private readonly ManualResetEventSlim _open = new(true);
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Ends when a step waits.</summary>
        public Task Begun => _begun.Task;

        public void Hold()
        {
            _open.Reset();
            device.OnStep = _ =>
            {
                _begun.TrySetResult();
                _open.Wait();
            };
        }

        public void GoOn() => _open.Set();

        public void Dispose() => GoOn();
    }

    private static async Task<Reservation> ReserveAsync(EngineRig rig, SequenceRequest request)
    {
        SubmitResult<Reservation> result = await rig.Engine.ReserveAsync(request, TimeSpan.FromMinutes(30));
        Assert.True(result.Refused is null, result.Refused?.Message);
        return result.Accepted!;
    }

    private static async Task<Generated> FillAsync(EngineRig prefill, Reservation reservation, SequenceRequest request)
    {
        var sink = new CollectingSink();
        SubmitResult<PrefillHandle> submitted = prefill.Engine.SubmitPrefill(request, reservation.CachedTokens, sink);
        Assert.True(submitted.Refused is null, submitted.Refused?.Message);
        int layers = reservation.Layout.Layers;
        await foreach ((int first, int count) in sink.Ready.ReadAllAsync())
        {
            byte[] data = new byte[count * reservation.Layout.BlockBytesAllLayers];
            Assert.True(submitted.Accepted!.TryGather(first, count, 0, layers, data));
            Assert.Equal(WriteOutcome.Written, reservation.Write(reservation.Epoch, first, 0, layers, data));
        }

        ChosenToken token = (await sink.Completed).First;
        submitted.Accepted!.Release();
        Assert.Equal(CommitOutcome.Committed, reservation.Commit(reservation.Epoch, token));
        return await EngineRig.ReadAsync(reservation.Handle);
    }
}
