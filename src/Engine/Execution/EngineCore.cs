using Microsoft.Extensions.Logging;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Execution;

/// <summary>All of an engine that its thread alone touches: composes scheduler, step and book-keeping.</summary>
/// <remarks>
/// What goes wrong for one sequence ends that sequence; what is thrown out of here has nobody to blame (<see cref="EngineLoop"/>).
/// </remarks>
internal sealed class EngineCore
{
    private readonly EngineResources _resources;
    private readonly BlockManager _blocks;
    private readonly KvLookahead _lookahead;
    private readonly Scheduler _scheduler;
    private readonly PromptPace _pace;
    private readonly StepPlan _plan;
    private readonly StepRunner _runner;
    private readonly StepIsolation _isolation;
    private readonly StepSettlement _settlement;
    private readonly Probe _probe;
    private readonly List<(Sequence Sequence, Exception Error)> _failedAtAdmission = [];
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public EngineCore(
        EngineResources resources, EngineOptions options, int endTokens, CommandQueue commands, EngineStatistics statistics, WaitingLimit waiting, TimeProvider time, ILogger logger)
    {
        _resources = resources;
        _time = time;
        _logger = logger;
        Statistics = statistics;
        _blocks = new BlockManager(resources.BlockCount, options.BlockSize, options.PrefixCache);
        _lookahead = new KvLookahead(resources.Cache, options.PrepareKvMemory);
        _pace = new PromptPace(options);
        _scheduler = new Scheduler(_blocks, _pace, options) { Admitted = Admitted, Refused = Refused };
        _plan = new StepPlan(options.MaxBatchTokens);
        _runner = new StepRunner(resources, options, endTokens);
        _isolation = new StepIsolation(_scheduler);
        _probe = new Probe(resources, options);
        Ledger = new SequenceLedger(_blocks, _scheduler, statistics, waiting, time, logger);
        Handovers = new Handovers(resources, _blocks, _scheduler, Ledger, commands, time, logger);
        _settlement = new StepSettlement(_runner, _blocks, _scheduler, Ledger, Handovers, _probe, logger);
        Report();
    }

    public EngineStatistics Statistics { get; }

    public SequenceLedger Ledger { get; }

    public Handovers Handovers { get; }

    public string DeviceName => _resources.Device.Info.Name;

    /// <summary>For readers on any thread; null without a prefix cache.</summary>
    public PrefixCacheJournal? Journal => _blocks.Journal;

    /// <summary>Computes one step. False when there is nothing that could be computed now.</summary>
    public bool TryStep()
    {
        Handovers.Expire();
        bool alone = _isolation.TryPlan(_plan);
        if (!alone)
        {
            EndIsolation();
            Plan();
        }

        _lookahead.Note(_blocks.Pool.HandedOutCount);
        if (_plan.IsEmpty)
        {
            return false;
        }

        long start = _time.GetTimestamp();
        try
        {
            _runner.Run(_plan);
        }
        catch (Exception e)
        {
            StepFailed(e, alone);
            return true;
        }

        double seconds = _time.GetElapsedTime(start).TotalSeconds;
        if (!alone)
        {
            _isolation.WholeStepSucceeded(_plan.Work.Count);
            _pace.Note(_plan.PromptTokens, _plan.Decodes, seconds);
        }

        Statistics.CountStep(_plan.PromptTokens, _plan.Decodes, _settlement.Settle(_plan), seconds);
        return true;
    }

    /// <summary>How long to sleep when there is nothing to compute; null: until a command comes.</summary>
    public TimeSpan? UntilNextDeadline => _time.Until(Handovers.NextDeadline);

    /// <summary>Updates what <see cref="EngineStatus"/> shows.</summary>
    public void Report()
    {
        PromptBacklog backlog = default;
        int decodes = 0;
        for (int i = 0; i < _scheduler.Running.Count; i++)
        {
            Sequence sequence = _scheduler.Running[i];
            decodes += sequence.IsDecoding ? 1 : 0;
            backlog = sequence.IsDecoding ? backlog : backlog.With(sequence.Count - sequence.Computed, Ledger.OvertakenBy(sequence));
        }

        for (int i = 0; i < _scheduler.Waiting.Count; i++)
        {
            Sequence sequence = _scheduler.Waiting[i];
            backlog = backlog.With(sequence.Count, Ledger.OvertakenBy(sequence));
        }

        BlockPool pool = _blocks.Pool;
        Statistics.Set(new EngineStatistics.Gauges(
            _scheduler.Running.Count,
            _scheduler.Waiting.Count,
            _scheduler.Reserved.Count,
            Ledger.Pinned.Count,
            backlog,
            _pace.TokensPerSecondBeside(decodes),
            pool.Count,
            pool.FreeCount,
            pool.CachedCount,
            _scheduler.Preemptions));
    }

    /// <summary>Ends every sequence that is left, for good. The books are not asked: they may be what is broken.</summary>
    public void FailAll(EngineException reason)
    {
        Handovers.CloseAll();
        Fail(Ledger.Live.ToArray(), [], reason);
        Report();
    }

    /// <summary>
    /// Fails every sequence and forgets what the cache holds, whatever the books say. Blocks that others are copying stay theirs until they
    /// are done, and their sequences live until then.
    /// </summary>
    public void GiveUp(EngineException reason)
    {
        _isolation.Clear();
        _failedAtAdmission.Clear();
        ILookup<bool, Sequence> isCopied = Ledger.Live.ToArray().ToLookup(sequence => Handovers.TryGiveUp(sequence, reason));
        Fail([.. isCopied[false]], [.. isCopied[true]], reason);
    }

    /// <summary>Returns if the device computes.</summary>
    /// <exception cref="DeviceFault">It does not.</exception>
    public void Verify(Exception failure) => _probe.Verify(failure);

    /// <exception cref="InvalidOperationException">A block is lost, doubled or miscounted.</exception>
    public void CheckIntegrity() => _blocks.CheckIntegrity(Ledger.Live, _scheduler.Reserved);

    private void Fail(Sequence[] sequences, Sequence[] holders, EngineException reason)
    {
        foreach (Sequence sequence in sequences)
        {
            _scheduler.Remove(sequence);
            sequence.Forget();
        }

        _blocks.Reset(holders);
        foreach (Sequence sequence in sequences)
        {
            Ledger.Fail(sequence, reason);
        }
    }

    private void Plan()
    {
        _scheduler.Plan(_plan);
        while (_failedAtAdmission.Count > 0)
        {
            foreach ((Sequence sequence, Exception error) in _failedAtAdmission)
            {
                Handovers.Blame(sequence, error);
            }

            _failedAtAdmission.Clear();
            _scheduler.Plan(_plan);
        }
    }

    private void Admitted(Sequence sequence)
    {
        Ledger.Admitted(sequence);
        try
        {
            sequence.Prefill?.Announce(sequence, _resources.Layout.BlockSize);
        }
        catch (Exception e)
        {
            // Not now: the plan is being made.
            _failedAtAdmission.Add((sequence, e));
        }

        if (sequence.Stage == SequenceStage.Reserved)
        {
            Handovers.Grant(sequence);
        }
    }

    private void Refused(Sequence sequence)
    {
        sequence.Prefill!.Handle.Close(() => { });
        string reason = $"there is no room for the prompt of {sequence.Request.Id}: it is kept for prompts that other devices compute";
        Ledger.Fail(sequence, new EngineException(EngineFailure.NoRoom, reason));
    }

    /// <summary>
    /// Nothing of the step counts. Its sequences go on one at a time; one that fails alone is to blame, if the device computes at all.
    /// </summary>
    /// <exception cref="DeviceFault">It does not, or not with several sequences at a time.</exception>
    private void StepFailed(Exception error, bool alone)
    {
        Statistics.NoteFailure(error.Message);
        Statistics.CountFailedStep();
        if (alone || error is DeviceException)
        {
            _probe.Verify(error);
        }

        if (!alone && _plan.Work.Count > 1 && _isolation.IsVain)
        {
            throw new DeviceFault(error);
        }

        if (!alone)
        {
            EngineLog.StepFailed(_logger, error, DeviceName, _plan.Work.Count);
            _isolation.Begin(_plan);
            return;
        }

        Sequence sequence = _plan.Work[0].Sequence;
        _isolation.Clear();
        Handovers.Fail(sequence, new EngineException(
            EngineFailure.SequenceFailed,
            $"the step of {sequence.Request.Id} fails on a device that computes others: {error.Message}",
            error));
    }

    private void EndIsolation()
    {
        if (_isolation.IsActive)
        {
            _isolation.EndInVain();
            Statistics.CountTransientFailure();
            EngineLog.StepFailureWasTransient(_logger, DeviceName);
        }
    }
}
