using Microsoft.Extensions.Logging;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Execution;

/// <summary>All of an engine that its thread alone touches: composes scheduler, step and book-keeping.</summary>
internal sealed class EngineCore
{
    private readonly EngineResources _resources;
    private readonly BlockManager _blocks;
    private readonly KvLookahead _lookahead;
    private readonly Scheduler _scheduler;
    private readonly PromptPace _pace;
    private readonly StepPlan _plan;
    private readonly StepRunner _runner;
    private readonly EngineStatistics _statistics;
    private readonly TimeProvider _time;

    public EngineCore(
        EngineResources resources, EngineOptions options, int endTokens, CommandQueue commands, EngineStatistics statistics, WaitingLimit waiting, TimeProvider time, ILogger logger)
    {
        _resources = resources;
        _statistics = statistics;
        _time = time;
        _blocks = new BlockManager(resources.Cache.BlockCount, options.BlockSize, options.PrefixCache);
        _lookahead = new KvLookahead(resources.Cache, options.PrepareKvMemory);
        _pace = new PromptPace(options);
        _scheduler = new Scheduler(_blocks, _pace, options) { Admitted = Admitted, Refused = Refused };
        _plan = new StepPlan(options.MaxBatchTokens);
        _runner = new StepRunner(resources, options, endTokens);
        Ledger = new SequenceLedger(_blocks, _scheduler, statistics, waiting, time);
        Handovers = new Handovers(resources, _blocks, _scheduler, Ledger, commands, time, logger);
        Report();
    }

    public SequenceLedger Ledger { get; }

    public Handovers Handovers { get; }

    /// <summary>For readers on any thread; null without a prefix cache.</summary>
    public PrefixCacheJournal? Journal => _blocks.Journal;

    /// <summary>Computes one step. False when there is nothing that could be computed now.</summary>
    public bool TryStep()
    {
        Handovers.Expire();
        _scheduler.Plan(_plan);
        _lookahead.Note(_blocks.Pool.HandedOutCount);
        if (_plan.IsEmpty)
        {
            return false;
        }

        long start = _time.GetTimestamp();
        _runner.Run(_plan);
        double seconds = _time.GetElapsedTime(start).TotalSeconds;
        _pace.Note(_plan.PromptTokens, _plan.Decodes, seconds);
        Advance();
        Publish();
        _statistics.CountStep(_plan.PromptTokens, _plan.Decodes, _runner.Sampled.Count, seconds);
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
        _statistics.Set(new EngineStatistics.Gauges(
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

    /// <summary>Ends every sequence that is left.</summary>
    public void FailAll(EngineException reason)
    {
        Handovers.CloseAll();
        foreach (Sequence sequence in Ledger.Live.ToArray())
        {
            Ledger.Fail(sequence, reason);
        }

        Report();
    }

    /// <exception cref="InvalidOperationException">A block is lost, doubled or miscounted.</exception>
    public void CheckIntegrity() => _blocks.CheckIntegrity(Ledger.Live);

    private void Admitted(Sequence sequence)
    {
        Ledger.Admitted(sequence);
        sequence.Prefill?.Announce(sequence, _resources.Layout.BlockSize);
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

    private void Advance()
    {
        for (int i = 0; i < _plan.Work.Count; i++)
        {
            PlannedWork work = _plan.Work[i];
            work.Sequence.Computed += work.Tokens;
            _blocks.OfferFullBlocks(work.Sequence);
            work.Sequence.Prefill?.Announce(work.Sequence, _resources.Layout.BlockSize);
        }
    }

    private void Publish()
    {
        for (int i = 0; i < _runner.Sampled.Count; i++)
        {
            Sequence sequence = _runner.Sampled[i];
            if (_runner.Chosen[i] is { } chosen)
            {
                Ledger.Accept(sequence, chosen);
            }
            else
            {
                sequence.Prefill?.Handle.Close(() => { });
                Ledger.Fail(sequence, new EngineException(EngineFailure.InvalidOutput, $"the model's output for {sequence.Request.Id} is not a number"));
            }
        }
    }
}
