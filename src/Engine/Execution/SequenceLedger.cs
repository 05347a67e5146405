using Microsoft.Extensions.Logging;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// The life of sequences, from acceptance to end: every accepted one leaves exactly once, by <see cref="End"/> or <see cref="Fail"/>, and with it its
/// blocks. Engine's thread.
/// </summary>
internal sealed class SequenceLedger(
    BlockManager blocks, Scheduler scheduler, EngineStatistics statistics, WaitingLimit waiting, TimeProvider time, ILogger logger)
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
        (FinishCause Cause, string? StopString)? end;
        try
        {
            end = sequence.Stop.Reached(sequence);
        }
        catch (Exception e)
        {
            Fail(sequence, EngineException.OfSequence(sequence.Request.Id, e));
            return;
        }

        if (end is { } reached)
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
    /// <returns>What its own work (its reader, its detokenizer, its stop rules) has thrown, if it did: it cannot go on, and is the caller's
    /// to fail.</returns>
    public Exception? Accept(Sequence sequence, ChosenToken chosen)
    {
        if (sequence.FirstToken == 0)
        {
            sequence.FirstToken = time.GetTimestamp();
        }

        sequence.IsSecondTry = false;
        if (sequence.Prefill is { } prefill)
        {
            scheduler.Remove(sequence);
            sequence.Stage = SequenceStage.Pinned;
            prefill.Deadline = time.TimestampAfter(prefill.Lifetime);
            Pinned.Add(sequence);
        }

        (FinishCause Cause, string? StopString)? end;
        try
        {
            end = Take(sequence, chosen);
        }
        catch (Exception e)
        {
            return e;
        }

        if (end is { } reached)
        {
            End(sequence, reached.Cause, reached.StopString);
        }

        return null;
    }

    public void End(Sequence sequence, FinishCause cause, string? stopString = null)
    {
        if (Detach(sequence))
        {
            sequence.Ticket?.Cancel();
            var timeline = new SequenceTimeline(sequence.Arrived, sequence.Admitted, sequence.FirstToken, time.GetTimestamp());
            SequenceEnd end = new(cause, stopString, sequence.Usage, timeline);
            Tell(sequence, output => output.End(end));
        }
    }

    public void Fail(Sequence sequence, EngineException reason)
    {
        if (Detach(sequence))
        {
            if (reason.BlamesSequence)
            {
                statistics.CountBlamed();
                EngineLog.Blamed(logger, reason.InnerException, reason.Message);
            }

            sequence.Ticket?.Fail(reason);
            Tell(sequence, output => output.Fail(reason));
        }
    }

    // What the sequence does with a token, and nothing of the engine's books. Returns how it ends, if it does.
    private static (FinishCause Cause, string? StopString)? Take(Sequence sequence, ChosenToken chosen)
    {
        if (sequence.Prefill is { } prefill)
        {
            prefill.Complete(chosen, sequence.CachedTokens ?? 0);
            return null;
        }

        if (sequence.Stop.Ends(chosen.Token))
        {
            return (FinishCause.Stop, null);
        }

        sequence.Append(chosen.Token);
        sequence.Stage = SequenceStage.Decoding;
        sequence.Output.Token(chosen);
        sequence.Stop.Add(chosen.Token);
        return sequence.Stop.Reached(sequence);
    }

    // The sequence has ended already: a reader that does not want to know harms nobody else.
    private void Tell(Sequence sequence, Action<ISequenceOutput> what)
    {
        try
        {
            what(sequence.Output);
        }
        catch (Exception e)
        {
            EngineLog.ReaderThrew(logger, e, sequence.Request.Id);
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
