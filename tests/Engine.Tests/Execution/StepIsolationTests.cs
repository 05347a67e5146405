using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Tests.Disaggregation;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Tests.Execution;

/// <summary>A step that fails as a whole: its sequences go on one at a time, and only one that fails alone is to blame.</summary>
public sealed class StepIsolationTests
{
    public static TheoryData<DeviceOperation, bool> Operations
    {
        get
        {
            TheoryData<DeviceOperation, bool> data = [];
            foreach (DeviceOperation operation in Enum.GetValues<DeviceOperation>().Except([DeviceOperation.Record]))
            {
                data.Add(operation, false);
                data.Add(operation, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task Step_FailsOnce_NobodyNotices(DeviceOperation operation, bool deviceException)
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        int calls = 0;
        bool thrown = false;
        device.OnOperation = (now, batch) =>
        {
            // In the middle of things, with several sequences.
            if (now == operation && !thrown && batch.SequenceCount > 2 && ++calls == 3)
            {
                thrown = true;
                throw Fault(deviceException);
            }
        };
        var neighbours = Neighbours.Start(rig);
        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
        EngineStatus status = rig.Engine.Status;
        Assert.Equal((EngineHealth.Serving, 0, 0), (status.Health, status.BlamedSequences, status.Recoveries));
        Assert.Equal((1, 1, "broken device"), (status.FailedSteps, status.TransientFailures, status.LastFailure));
    }

    [Fact]
    public async Task Step_WaitForTheDeviceFailsOnce_NobodyNotices()
    {
        // Without a prefix cache the chunks of a prompt have no logits, and the device is waited for by an event.
        var device = new HookedDevice();
        bool thrown = false;
        device.OnOperation = (now, batch) =>
        {
            if (now == DeviceOperation.Record && !thrown && batch.RowCount == 32)
            {
                thrown = true;
                throw Fault(false);
            }
        };
        await using var rig = new EngineRig(EngineRig.SmallOptions with { PrefixCache = false }, device: device);
        Generated result = await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(100, 1), 8));
        await using var plain = new EngineRig();
        Assert.Equal((await plain.GenerateAsync(EngineRig.Request(EngineRig.Prompt(100, 1), 8))).Tokens, result.Tokens);
        Assert.Equal((1, 1), (rig.Engine.Status.FailedSteps, rig.Engine.Status.TransientFailures));
        await rig.AssertIdleAsync();
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task Step_FailsWheneverOneSequenceIsInIt_FailsThatSequenceOnly(DeviceOperation operation, bool deviceException)
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        var marked = new MarkedSequences();
        device.OnOperation = (now, batch) =>
        {
            // From the third token of its answer on.
            if (marked.IsIn(batch) & now == operation && HasPosition(batch, marked, 22))
            {
                throw Fault(deviceException);
            }
        };
        var neighbours = Neighbours.Start(rig);
        SamplingParameters sampling = operation == DeviceOperation.Read ? new SamplingParameters { Seed = 5 } : SamplingParameters.Greedy;
        SequenceHandle broken = rig.Submit(EngineRig.Request(MarkedSequences.Prompt(20, 1), 40, sampling));
        EngineException e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(broken));
        Assert.Equal((EngineFailure.SequenceFailed, true), (e.Failure, e.BlamesSequence));
        Assert.Contains("broken device", e.Message);
        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
        EngineStatus status = rig.Engine.Status;
        Assert.Equal((EngineHealth.Serving, 1, 0, 0), (status.Health, status.BlamedSequences, status.Recoveries, status.TransientFailures));
    }

    [Fact]
    public async Task Step_FailsForItsOnlySequence_BlamesIt()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        var marked = new MarkedSequences();
        device.OnStep = batch => Assert.False(marked.IsIn(batch), "broken device");
        EngineException e = await Assert.ThrowsAsync<EngineException>(
            () => rig.GenerateAsync(EngineRig.Request(MarkedSequences.Prompt(20, 1), 4)));
        Assert.Equal(EngineFailure.SequenceFailed, e.Failure);
        Assert.Equal(4, (await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(20, 1), 4))).Tokens.Length);
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Step_FailsForTwoSequences_BlamesBoth()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        var marked = new MarkedSequences();
        device.OnStep = batch => Assert.False(marked.IsIn(batch), "broken device");
        var neighbours = Neighbours.Start(rig);
        SequenceHandle[] marks =
        [
            rig.Submit(EngineRig.Request(MarkedSequences.Prompt(20, 1), 4)),
            rig.Submit(EngineRig.Request(MarkedSequences.Prompt(9, 2), 4)),
        ];
        foreach (SequenceHandle broken in marks)
        {
            Assert.Equal(EngineFailure.SequenceFailed, await FailureOfAsync(broken));
        }

        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
        Assert.Equal(2, rig.Engine.Status.BlamedSequences);
    }

    [Fact]
    public async Task Step_FailsForAPrefill_FailsItsHandoverOnly()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        var marked = new MarkedSequences();
        device.OnStep = batch => Assert.False(marked.IsIn(batch) && HasPosition(batch, marked, 40), "broken device");
        var neighbours = Neighbours.Start(rig);
        var sink = new CollectingSink();
        PrefillHandle handle = rig.Engine.SubmitPrefill(EngineRig.Request(MarkedSequences.Prompt(100, 1), 4), 0, sink).Accepted!;
        Assert.Equal(EngineFailure.SequenceFailed, (await Assert.ThrowsAsync<EngineException>(() => sink.Completed)).Failure);
        Assert.False(handle.TryGather(0, 1, 0, 1, new byte[handle.Layout.BlockBytes]));
        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Step_FailsWhileAReservationIsFilled_TheHandoverGivesTheSameTokens()
    {
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(50, 1), 12, new SamplingParameters { Seed = 3, TopK = 20 });
        await using var single = new EngineRig();
        Generated expected = await single.GenerateAsync(request);
        await using var prefill = new EngineRig();
        var device = new HookedDevice();
        await using var decode = new EngineRig(device: device);
        Reservation reservation = (await decode.Engine.ReserveAsync(request)).Accepted!;
        int steps = 0;
        device.OnStep = batch => Assert.False(batch.SequenceCount > 1 && ++steps % 3 == 0, "broken device");
        var neighbours = Neighbours.Start(decode);

        var sink = new CollectingSink();
        PrefillHandle handle = prefill.Engine.SubmitPrefill(request, 0, sink).Accepted!;
        await foreach ((int first, int count) in sink.Ready.ReadAllAsync())
        {
            byte[] data = new byte[count * reservation.Layout.BlockBytesAllLayers];
            Assert.True(handle.TryGather(first, count, 0, reservation.Layout.Layers, data));
            Assert.Equal(WriteOutcome.Written, reservation.Write(reservation.Epoch, first, 0, reservation.Layout.Layers, data));
        }

        Assert.Equal(CommitOutcome.Committed, reservation.Commit(reservation.Epoch, (await sink.Completed).First));
        handle.Release();
        Assert.Equal(expected.Tokens, (await EngineRig.ReadAsync(reservation.Handle)).Tokens);
        await neighbours.AssertUndisturbedAsync();
        await decode.AssertIdleAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Step_EverySoOftenAndWithoutRoom_NobodyNotices(int seed)
    {
        var random = new Random(seed);
        var device = new HookedDevice();
        int calls = 0;
        int next = 40;
        bool armed = true;
        device.OnOperation = (operation, batch) =>
        {
            // Never twice in a row: alone, every sequence passes, and then a step of several does.
            if (batch.SequenceCount > 1 && ++calls >= next && armed)
            {
                next = calls + random.Next(40, 400);
                throw Fault(random.Next(2) == 0);
            }
        };
        await using var rig = new EngineRig(
            EngineRig.SmallOptions with { KvBlocks = 14, MaxBatchTokens = 12, MaxFailures = 0 }, device: device);
        var neighbours = Neighbours.Start(rig);
        await neighbours.AssertUndisturbedAsync();
        armed = false;
        await rig.AssertIdleAsync();
        EngineStatus status = rig.Engine.Status;
        Assert.True(status is { Health: EngineHealth.Serving, BlamedSequences: 0, Preemptions: > 0, TransientFailures: > 0 }, $"{status}");
        Assert.Equal(status.FailedSteps, status.TransientFailures);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Step_FailsWheneverItHasSeveralSequences_RecoversAndIsLostInTheEnd(bool deviceException)
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(EngineRig.SmallOptions with { MaxFailures = 2 }, device: device);
        using var submitted = new ManualResetEventSlim();
        device.OnStep = batch =>
        {
            submitted.Wait();
            if (batch.SequenceCount > 1)
            {
                throw Fault(deviceException);
            }
        };
        for (int round = 1; round <= 3; round++)
        {
            submitted.Reset();
            var streams = Neighbours.Start(rig);
            submitted.Set();
            foreach (SequenceHandle handle in streams.Handles)
            {
                EngineException e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(handle));
                Assert.Equal((EngineFailure.DeviceFailed, false), (e.Failure, e.BlamesSequence));
                Assert.Contains("broken device", e.Message);
            }

            EngineHealth expected = round < 3 ? EngineHealth.Serving : EngineHealth.Failed;
            await rig.UntilAsync(status => status.Health == expected && status.Recoveries == Math.Min(round, 2));

            // What has one sequence at a time is served in between, and proves nothing.
            if (round < 3)
            {
                Assert.Equal(4, (await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(20, round), 4))).Tokens.Length);
            }
        }

        await rig.Engine.Lost.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        EngineStatus status = rig.Engine.Status;
        Assert.Equal((0, 3, 6), (status.BlamedSequences, status.TransientFailures, status.FailedSteps));
        Assert.Contains("broken device", status.Failure);
    }

    [Fact]
    public async Task Cancel_WhileSequencesGoOnAlone_EndsIt()
    {
        var device = new HookedDevice();
        await using var rig = new EngineRig(device: device);
        var marked = new MarkedSequences();
        using var reached = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        bool failed = false;
        bool computedAlone = false;
        device.OnStep = batch =>
        {
            bool isIn = marked.IsIn(batch);
            if (failed)
            {
                reached.Set();
                goOn.Wait();
                computedAlone |= isIn && batch.SequenceCount == 1;
            }
            else if (isIn && batch.SequenceCount > 3)
            {
                failed = true;
                throw Fault(false);
            }
        };
        var neighbours = Neighbours.Start(rig);
        SequenceHandle cancelled = rig.Submit(EngineRig.Request(MarkedSequences.Prompt(6, 1), 400));
        await Task.Run(reached.Wait, TestContext.Current.CancellationToken);
        cancelled.Cancel();
        Task drained = rig.Engine.DrainAsync();
        goOn.Set();
        Assert.Equal(FinishCause.Cancelled, (await EngineRig.ReadAsync(cancelled)).End.Cause);
        await neighbours.AssertUndisturbedAsync();
        await drained.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.False(computedAlone);
        await rig.AssertIdleAsync();
    }

    private static Exception Fault(bool deviceException) =>
        deviceException ? new DeviceException("broken device") : new IOException("broken device");

    // A marked sequence computes the token at this position, or a later one.
    private static bool HasPosition(StepBatch batch, MarkedSequences marked, int position)
    {
        foreach (SequenceRows rows in batch.Sequences)
        {
            if (marked.IsMarked(batch, rows) && rows.FirstPosition + rows.RowCount > position)
            {
                return true;
            }
        }

        return false;
    }

    private static async Task<EngineFailure> FailureOfAsync(SequenceHandle handle) =>
        (await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(handle))).Failure;
}
