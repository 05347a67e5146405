using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// The life of sequences, from acceptance to end: every accepted one leaves exactly once, by <see cref="End"/> or <see cref="Fail"/>, and with it its
/// blocks. Engine's thread.
/// </summary>
internal sealed class SequenceLedger(BlockManager blocks, Scheduler scheduler, EngineStatistics statistics, WaitingLimit waiting, TimeProvider time)
{
    private readonly HashSet<Sequence> _live = [];
    private readonly PromptTurn _turns = new();
    private long _arrivals;

    /// <summary>Accepted and not ended.</summary>
    public IReadOnlyCollection<Sequence> Live => _live;

    /// <summary>True once there has been a sequence, whatever became of it.</summary>
    public bool HasAccepted => _arrivals > 0;

    /// <summary>Computed for another device; their blocks are still to be fetched.</summary>
    public List<Sequence> Pinned { get; } = [];

    /// <summary>New prompts of another device with fewer tokens than this would go before a sequence's.</summary>
    public long OvertakenBy(Sequence sequence) => _turns.OvertakenByNew(sequence.Turn);

    public bool IsLive(Sequence sequence) => _live.Contains(sequence);

    public void Enqueue(Sequence sequence)
    {
        sequence.Arrival = _arrivals++;
        sequence.Turn = _turns.Next(sequence.Count, forAnotherDevice: sequence.Prefill is not null);
        sequence.Arrived = time.GetTimestamp();
        _live.Add(sequence);
        if (sequence.Stop.Reached(sequence) is { } reached)
        {
            // A resumed answer may have nothing left to say.
            End(sequence, reached.Cause, reached.StopString);
            return;
        }

        sequence.Stage = SequenceStage.Waiting;
        scheduler.Waiting.Add(sequence);
    }

    /// <summary>Notes that a sequence has got its blocks.</summary>
    public void Admitted(Sequence sequence)
    {
        if (sequence.CachedTokens is null)
        {
            sequence.CachedTokens = Math.Min(sequence.Computed, sequence.AnswerStart);
            sequence.Admitted = time.GetTimestamp();
            statistics.CountCached(sequence.Computed);
            waiting.Leave();
        }
    }

    /// <summary>The next token of a sequence that has caught up.</summary>
    public void Accept(Sequence sequence, ChosenToken chosen)
    {
        if (sequence.FirstToken == 0)
        {
            sequence.FirstToken = time.GetTimestamp();
        }

        if (sequence.Prefill is { } prefill)
        {
            scheduler.Remove(sequence);
            sequence.Stage = SequenceStage.Pinned;
            prefill.Deadline = time.TimestampAfter(prefill.Lifetime);
            Pinned.Add(sequence);
            prefill.Complete(chosen, sequence.CachedTokens ?? 0);
            return;
        }

        if (sequence.Stop.Ends(chosen.Token))
        {
            End(sequence, FinishCause.Stop);
            return;
        }

        sequence.Append(chosen.Token);
        sequence.Stage = SequenceStage.Decoding;
        sequence.Output.Token(chosen);
        sequence.Stop.Add(chosen.Token);
        if (sequence.Stop.Reached(sequence) is { } reached)
        {
            End(sequence, reached.Cause, reached.StopString);
        }
    }

    public void End(Sequence sequence, FinishCause cause, string? stopString = null)
    {
        if (Detach(sequence))
        {
            sequence.Ticket?.Cancel();
            var timeline = new SequenceTimeline(sequence.Arrived, sequence.Admitted, sequence.FirstToken, time.GetTimestamp());
            sequence.Output.End(new SequenceEnd(cause, stopString, sequence.Usage, timeline));
        }
    }

    public void Fail(Sequence sequence, EngineException reason)
    {
        if (Detach(sequence))
        {
            sequence.Ticket?.Fail(reason);
            sequence.Output.Fail(reason);
        }
    }

    private bool Detach(Sequence sequence)
    {
        if (!_live.Remove(sequence))
        {
            return false;
        }

        scheduler.Remove(sequence);
        Pinned.Remove(sequence);
        blocks.Free(sequence);
        sequence.Stage = SequenceStage.Finished;
        statistics.CountFinished();
        if (sequence.CachedTokens is null)
        {
            waiting.Leave();
        }

        return true;
    }
}
