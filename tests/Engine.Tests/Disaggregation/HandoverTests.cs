using Microsoft.Extensions.Time.Testing;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests.Disaggregation;

public sealed class HandoverTests
{
    [Theory]
    [InlineData(3)] // shorter than a block
    [InlineData(8)] // one block
    [InlineData(16)]
    [InlineData(50)]
    [InlineData(200)] // several chunks
    public async Task Handover_AnyPromptLength_GivesTheSameTokens(int length)
    {
        await using var single = new EngineRig();
        await using var prefill = new EngineRig();
        await using var decode = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(length, length), 12, new SamplingParameters { Seed = 3, TopK = 20 });
        Generated expected = await single.GenerateAsync(request);
        for (int round = 0; round < 2; round++)
        {
            // The second round finds the prefix on both sides.
            Generated result = await HandOverAsync(prefill, decode, request);
            Assert.Equal(expected.Tokens, result.Tokens);
            Assert.Equal(round == 0 ? 0 : (length - 1) / 8 * 8, result.End.Usage.CachedTokens);
            await prefill.AssertIdleAsync();
            await decode.AssertIdleAsync();
        }

        Assert.Equal(0, decode.Engine.Status.ComputedPromptTokens);
    }

    [Fact]
    public async Task Handover_PrefixOnDecodeSideOnly_SendsTheRest()
    {
        await using var single = new EngineRig();
        await using var prefill = new EngineRig();
        await using var decode = new EngineRig();
        int[] prefix = EngineRig.Prompt(40, 1);
        await decode.GenerateAsync(EngineRig.Request(prefix, 1));
        SequenceRequest request = EngineRig.Request([.. prefix, .. EngineRig.Prompt(13, 2)], 12);
        Generated expected = await single.GenerateAsync(request);
        Generated result = await HandOverAsync(prefill, decode, request);
        Assert.Equal(expected.Tokens, result.Tokens);
        Assert.Equal(40, result.End.Usage.CachedTokens);
    }

    [Fact]
    public async Task Reservation_PrefillDies_ComputesTheSameLocally()
    {
        await using var single = new EngineRig();
        await using var decode = new EngineRig();
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(30, 1), 12);
        Reservation reservation = await ReserveAsync(decode, request);
        byte[] rubbish = new byte[reservation.Layout.BlockBytesAllLayers];
        Array.Fill(rubbish, (byte)7);
        Assert.Equal(WriteOutcome.Written, reservation.Write(1, 0, 0, reservation.Layout.Layers, rubbish));
        Assert.True(reservation.StartLocal());
        Assert.False(reservation.StartLocal());
        Assert.Equal(WriteOutcome.Closed, reservation.Write(1, 1, 0, reservation.Layout.Layers, rubbish));
        Assert.Equal((await single.GenerateAsync(request)).Tokens, (await EngineRig.ReadAsync(reservation.Handle)).Tokens);
        await decode.AssertIdleAsync();
    }

    [Fact]
    public async Task Reservation_WrongWrites_AreRefused()
    {
        await using var decode = new EngineRig();
        Reservation reservation = await ReserveAsync(decode, EngineRig.Request(EngineRig.Prompt(30, 1), 12));
        int layers = reservation.Layout.Layers;
        byte[] block = new byte[reservation.Layout.BlockBytesAllLayers];
        Assert.Equal(4, reservation.BlockCount);
        Assert.Equal(WriteOutcome.Invalid, reservation.Write(1, 4, 0, layers, block));
        Assert.Equal(WriteOutcome.Invalid, reservation.Write(1, -1, 0, layers, block));
        Assert.Equal(WriteOutcome.Invalid, reservation.Write(1, 0, 1, layers, block));
        Assert.Equal(WriteOutcome.Invalid, reservation.Write(1, 0, 0, layers, block[1..]));
        Assert.Equal(WriteOutcome.Written, reservation.Write(1, 0, 0, layers, block));
        Assert.Equal(WriteOutcome.Duplicate, reservation.Write(1, 0, 0, layers, block));
        Assert.Equal(CommitOutcome.Incomplete, reservation.Commit(1, new ChosenToken(5)));
        Assert.Equal(2, reservation.Renew(TimeSpan.FromMinutes(1)));
        Assert.Equal(WriteOutcome.StaleEpoch, reservation.Write(1, 1, 0, layers, block));
        Assert.Equal(WriteOutcome.Written, reservation.Write(2, 0, 0, layers, block));
        Assert.Equal(CommitOutcome.StaleEpoch, reservation.Commit(1, new ChosenToken(5)));
        Assert.Throws<ArgumentOutOfRangeException>(() => reservation.Commit(2, new ChosenToken(96)));
        reservation.Release();
        Assert.Equal(WriteOutcome.Closed, reservation.Write(2, 1, 0, layers, block));
        Assert.Equal(CommitOutcome.Closed, reservation.Commit(2, new ChosenToken(5)));
        var e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(reservation.Handle));
        Assert.Equal(EngineFailure.Released, e.Failure);
        await decode.AssertIdleAsync();
    }

    [Fact]
    public async Task Reservation_ReleasedDuringAWrite_KeepsItsBlocksUntilTheWriteIsDone()
    {
        var device = new HookedDevice();
        await using var decode = new EngineRig(device: device);
        Reservation reservation = await ReserveAsync(decode, EngineRig.Request(EngineRig.Prompt(30, 1), 12));
        using var gate = new ManualResetEventSlim();
        using var entered = new ManualResetEventSlim();
        device.OnCopy = () =>
        {
            entered.Set();
            gate.Wait();
        };
        Task<WriteOutcome> write = Task.Run(() => reservation.Write(1, 0, 0, reservation.Layout.Layers, new byte[reservation.Layout.BlockBytesAllLayers]));
        entered.Wait();
        reservation.Release();
        await decode.Engine.CheckIntegrityAsync();
        Assert.Equal(60, decode.Engine.Status.FreeBlocks);
        gate.Set();
        Assert.Equal(WriteOutcome.Written, await write);
        await decode.AssertIdleAsync();
    }

    [Fact]
    public async Task Reservation_NotUsedInTime_IsTakenBack()
    {
        var time = new FakeTimeProvider();
        await using var decode = new EngineRig(time: time);
        Reservation reservation = await ReserveAsync(decode, EngineRig.Request(EngineRig.Prompt(30, 1), 12), TimeSpan.FromSeconds(5));
        time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal(2, reservation.Renew(TimeSpan.FromSeconds(5)));
        time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal(WriteOutcome.Invalid, reservation.Write(2, 9, 0, 1, new byte[1]));
        await decode.Engine.CheckIntegrityAsync();
        Assert.Equal(1, decode.Engine.Status.Reserved);
        await decode.UntilAsync(status =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return status.Reserved == 0;
        });
        var e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(reservation.Handle));
        Assert.Equal(EngineFailure.Expired, e.Failure);
        Assert.False(reservation.StartLocal());
        await decode.AssertIdleAsync();
    }

    [Fact]
    public async Task Reservation_Cancelled_EndsItsStream()
    {
        await using var decode = new EngineRig();
        Reservation reservation = await ReserveAsync(decode, EngineRig.Request(EngineRig.Prompt(30, 1), 12));
        reservation.Handle.Cancel();
        Assert.Equal(FinishCause.Cancelled, (await EngineRig.ReadAsync(reservation.Handle)).End.Cause);
        Assert.False(reservation.StartLocal());
        await decode.AssertIdleAsync();
    }

    [Fact]
    public async Task ReserveAsync_NoRoom_WaitsUntilCancelled()
    {
        await using var decode = new EngineRig(EngineRig.SmallOptions with { KvBlocks = 6 });
        Reservation first = await ReserveAsync(decode, EngineRig.Request(EngineRig.Prompt(40, 1), 1));
        using var cancellation = new CancellationTokenSource();
        Task<SubmitResult<Reservation>> second = decode.Engine.ReserveAsync(EngineRig.Request(EngineRig.Prompt(40, 2), 1), cancellation: cancellation.Token);
        await decode.UntilAsync(status => status.Waiting == 1);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        first.Release();
        await decode.AssertIdleAsync();
    }

    [Fact]
    public async Task Prefill_ReleasedDuringAGather_KeepsItsBlocksUntilTheReadIsDone()
    {
        var device = new HookedDevice();
        await using var prefill = new EngineRig(device: device);
        var sink = new CollectingSink();
        PrefillHandle handle = prefill.Engine.SubmitPrefill(EngineRig.Request(EngineRig.Prompt(30, 1), 1), 0, sink).Accepted!;
        await sink.Completed;
        await prefill.UntilAsync(status => status.Pinned == 1);
        using var gate = new ManualResetEventSlim();
        using var entered = new ManualResetEventSlim();
        device.OnCopy = () =>
        {
            entered.Set();
            gate.Wait();
        };
        Task<bool> read = Task.Run(() => handle.TryGather(0, 4, 0, 1, new byte[4 * handle.Layout.BlockBytes]));
        entered.Wait();
        handle.Release();
        await prefill.Engine.CheckIntegrityAsync();
        Assert.Equal(60, prefill.Engine.Status.FreeBlocks);
        gate.Set();
        Assert.True(await read);
        await prefill.AssertIdleAsync();
        Assert.False(handle.TryGather(0, 1, 0, 1, new byte[handle.Layout.BlockBytes]));
    }

    [Fact]
    public async Task Prefill_NotFetchedInTime_IsTakenBack()
    {
        var time = new FakeTimeProvider();
        await using var prefill = new EngineRig(time: time);
        var sink = new CollectingSink();
        PrefillHandle handle = prefill.Engine.SubmitPrefill(EngineRig.Request(EngineRig.Prompt(30, 1), 1), 0, sink, TimeSpan.FromSeconds(5)).Accepted!;
        await sink.Completed;
        await prefill.UntilAsync(status =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return status.Finished == 1;
        });
        Assert.False(handle.TryGather(0, 1, 0, 1, new byte[handle.Layout.BlockBytes]));
        await prefill.AssertIdleAsync();
    }

    [Fact]
    public async Task Prefill_BlocksAreAnnouncedWhileLaterChunksCompute()
    {
        var device = new HookedDevice();
        using var gate = new SemaphoreSlim(2);
        device.OnStep = _ => gate.Wait();
        await using var prefill = new EngineRig(device: device);
        var sink = new CollectingSink();
        PrefillHandle handle = prefill.Engine.SubmitPrefill(EngineRig.Request(EngineRig.Prompt(100, 1), 1), 8, sink).Accepted!;
        Assert.Equal((1, 3), await sink.Ready.ReadAsync());
        Assert.True(handle.TryGather(1, 3, 0, 2, new byte[6 * handle.Layout.BlockBytes]));
        Assert.Throws<ArgumentOutOfRangeException>(() => handle.TryGather(10, 3, 0, 2, new byte[6 * handle.Layout.BlockBytes]));
        gate.Release(10);
        await sink.Completed;
        handle.Release();
        await prefill.AssertIdleAsync();
    }

    private static async Task<Reservation> ReserveAsync(EngineRig decode, SequenceRequest request, TimeSpan? lifetime = null)
    {
        SubmitResult<Reservation> result = await decode.Engine.ReserveAsync(request, lifetime);
        Assert.True(result.Refused is null, result.Refused?.Message);
        return result.Accepted!;
    }

    private static async Task<Generated> HandOverAsync(EngineRig prefill, EngineRig decode, SequenceRequest request)
    {
        Reservation reservation = await ReserveAsync(decode, request);
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
