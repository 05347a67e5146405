using Microsoft.Extensions.Logging;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// Blocks that other devices fill or fetch. Whatever ends a handover first closes it for copies, waits without blocking for those in
/// progress, and only then frees the blocks. Members of the two owner interfaces: any thread; the rest: engine's thread.
/// </summary>
internal sealed class Handovers(
    EngineResources resources, BlockManager blocks, Scheduler scheduler, SequenceLedger ledger, CommandQueue commands, TimeProvider time, ILogger logger)
    : IReservationOwner, IPrefillOwner
{
    // The process's: blocks that are late for an engine that is gone find no reservation of the one that has taken its place.
    private static long _reservations;

    private readonly CopyGate _copies = new();

    /// <inheritdoc/>
    public int VocabularySize => resources.Model.Config.VocabularySize;

    /// <summary>Earliest deadline (timestamp), or <see cref="long.MaxValue"/>.</summary>
    public long NextDeadline
    {
        get
        {
            long next = long.MaxValue;
            foreach (Sequence sequence in scheduler.Reserved)
            {
                next = Math.Min(next, sequence.Ticket!.Reservation!.Deadline);
            }

            foreach (Sequence sequence in ledger.Pinned)
            {
                next = Math.Min(next, sequence.Prefill!.Deadline);
            }

            return next;
        }
    }

    /// <summary>Hands the blocks of a sequence that has just got them to their owner-to-be.</summary>
    public void Grant(Sequence sequence)
    {
        int first = sequence.Computed / resources.Layout.BlockSize;
        int[] missing = sequence.Table.Blocks[first..].ToArray();
        ReservationTicket ticket = sequence.Ticket!;
        ticket.Grant(new Reservation(Interlocked.Increment(ref _reservations), sequence.Handle!, resources.Layout, missing, first, ticket.Lifetime, this) { Sequence = sequence });
    }

    /// <summary>Ends a sequence at its owner's wish, whatever stage it is in.</summary>
    public void Cancel(Sequence sequence)
    {
        sequence.CancelRequested = true;
        if (sequence.Stage == SequenceStage.Reserved)
        {
            // False: it is being committed or started, which looks at the wish.
            sequence.Ticket!.Reservation!.Close(() => commands.TryPost(() => ledger.End(sequence, FinishCause.Cancelled)));
        }
        else
        {
            ledger.End(sequence, FinishCause.Cancelled);
        }
    }

    /// <summary>Takes back what was not used in time.</summary>
    public void Expire()
    {
        long now = time.GetTimestamp();
        foreach (Sequence sequence in scheduler.Reserved)
        {
            if (sequence.Ticket!.Reservation!.Deadline <= now)
            {
                sequence.Ticket.Reservation.Close(() => commands.TryPost(() => Expire(sequence)));
            }
        }

        foreach (Sequence sequence in ledger.Pinned)
        {
            if (sequence.Prefill!.Deadline <= now)
            {
                sequence.Prefill.Deadline = long.MaxValue;
                sequence.Prefill.Handle.Close(() => commands.TryPost(() => Expire(sequence)));
            }
        }
    }

    /// <summary>Refuses all copies from now on: the sequences are about to fail, and no block of theirs is used again.</summary>
    public void CloseAll()
    {
        foreach (Sequence sequence in ledger.Live)
        {
            sequence.Ticket?.Reservation?.Close(() => { });
            sequence.Prefill?.Handle.Close(() => { });
        }
    }

    /// <summary>Ends a sequence that cannot go on. Blocks that another device fetches are closed first.</summary>
    public void Fail(Sequence sequence, EngineException reason)
    {
        if (!TryGiveUp(sequence, reason))
        {
            ledger.Fail(sequence, reason);
        }
    }

    /// <summary>Ends a sequence whose own work has thrown.</summary>
    public void Blame(Sequence sequence, Exception error) => Fail(sequence, EngineException.OfSequence(sequence.Request.Id, error));

    /// <summary>
    /// Closes what others may copy of a sequence, and fails it when no copy is in progress any longer. It computes nothing more.
    /// </summary>
    /// <returns>False when nobody else has anything to do with its blocks: nothing was done.</returns>
    public bool TryGiveUp(Sequence sequence, EngineException reason)
    {
        if (sequence is { Stage: SequenceStage.Reserved, Ticket.Reservation: { } reservation })
        {
            // Closed before: it is being committed or started, which looks at the reason, or it is being ended.
            sequence.GivenUp = reason;
            reservation.Close(() => commands.TryPost(() => ledger.Fail(sequence, reason)));
        }
        else if (sequence.Prefill is { } prefill)
        {
            // Closed before: it is being ended.
            prefill.Handle.Close(() => commands.TryPost(() => ledger.Fail(sequence, reason)));
        }
        else
        {
            return false;
        }

        scheduler.Remove(sequence);
        ledger.Pinned.Remove(sequence);
        return true;
    }

    /// <summary>Refuses all copies for good; returns when none is in progress, so that the memory can go.</summary>
    public void Shutdown() => _copies.CloseAndWait();

    /// <inheritdoc/>
    public long DeadlineAfter(TimeSpan lifetime) => time.TimestampAfter(lifetime);

    /// <inheritdoc/>
    public bool TryScatter(ReadOnlySpan<int> to, int firstLayer, int layers, ReadOnlySpan<byte> data)
    {
        if (!_copies.TryEnter())
        {
            return false;
        }

        try
        {
            resources.Device.Scatter(resources.Cache, firstLayer, layers, to, data);
            return true;
        }
        finally
        {
            _copies.Exit();
        }
    }

    /// <inheritdoc/>
    public bool TryGather(ReadOnlySpan<int> from, int firstLayer, int layers, Span<byte> destination)
    {
        if (!_copies.TryEnter())
        {
            return false;
        }

        try
        {
            // Blocks are announced when the device has finished them: there is nothing to wait for.
            resources.Device.Gather(resources.Cache, firstLayer, layers, from, destination, after: null);
            return true;
        }
        finally
        {
            _copies.Exit();
        }
    }

    /// <inheritdoc/>
    public void Committed(Reservation reservation, ChosenToken first) => commands.TryPost(() =>
    {
        Sequence sequence = reservation.Sequence!;
        if (TryStart(sequence))
        {
            sequence.Computed = sequence.Count;

            // The device that has computed them has chosen a token by them.
            blocks.OfferFullBlocks(sequence);
            if (ledger.Accept(sequence, first) is { } error)
            {
                Blame(sequence, error);
            }
        }
    });

    /// <inheritdoc/>
    public void StartedLocally(Reservation reservation) => commands.TryPost(() => TryStart(reservation.Sequence!));

    /// <inheritdoc/>
    public void Released(Reservation reservation) => commands.TryPost(() =>
        ledger.Fail(reservation.Sequence!, new EngineException(EngineFailure.Released, $"the reservation of {reservation.Handle.Id} was released")));

    /// <inheritdoc/>
    public void Released(PrefillHandle prefill) => commands.TryPost(() =>
    {
        Sequence sequence = prefill.Sequence!;
        scheduler.Remove(sequence);
        ledger.Pinned.Remove(sequence);
        prefill.Close(() => commands.TryPost(() => ledger.End(sequence, FinishCause.Cancelled)));
    });

    private bool TryStart(Sequence sequence)
    {
        if (!ledger.IsLive(sequence))
        {
            return false;
        }

        sequence.Ticket!.Used = true;
        scheduler.Remove(sequence);
        if (sequence.GivenUp is { } reason)
        {
            ledger.Fail(sequence, reason);
            return false;
        }

        if (sequence.CancelRequested)
        {
            ledger.End(sequence, FinishCause.Cancelled);
            return false;
        }

        scheduler.Run(sequence);
        return true;
    }

    private void Expire(Sequence sequence)
    {
        if (ledger.IsLive(sequence))
        {
            EngineLog.Expired(logger, sequence.Request.Id);
            ledger.Fail(sequence, new EngineException(EngineFailure.Expired, $"the blocks of {sequence.Request.Id} were taken back: their deadline has passed"));
        }
    }
}
