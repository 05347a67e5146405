using ServingGrid.Client;
using ServingGrid.Client.Requests;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Devices;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Routing;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>
/// Starts sequences on this silo's engine, with their prompts computed here or by another device:
/// <code>
///   decide → reserve → order prefill → (blocks arrive) → commit
///                        │ fails: renew the epoch, order elsewhere
///                        ├ fails again: compute the prompt here
///                        └ names the request as the reason: the sequence ends so
/// </code>
/// The reservation ends in exactly one of commit, local start and release. Thread-safe.
/// </summary>
internal sealed class Handover(
    LocalDevice device,
    HandoverPlanner planner,
    PrefillBreaker breaker,
    TransferSpeeds speeds,
    IGrainFactory grains,
    ReservationTable reservations,
    DisaggregationOptions options,
    TimeProvider time,
    ILogger<Handover> log)
{
    // The wait for a prefill begins after its reservation, and is looked at from time to time only: a reservation that were held no longer
    // would be gone when the prefill is given up, and with it the choice to compute the prompt here.
    private static readonly TimeSpan HoldMargin = TimeSpan.FromSeconds(5);

    private TimeSpan HoldTime => options.PrefillTimeout + HoldMargin;

    /// <summary>Starts a sequence: its stream is there at once, or after the wait for a reservation.</summary>
    /// <param name="attempt">The request.</param>
    /// <param name="cancellation">The request's end: gives up whatever is in progress.</param>
    /// <exception cref="GridException">The engine refuses it, or fails while it waits for a reservation.</exception>
    public async Task<StartedSequence> Start(GenerateAttempt attempt, CancellationToken cancellation)
    {
        InferenceEngine engine = device.Worker.Engine;
        SequenceRequest request = EngineMapping.ToSequence(attempt);
        ulong[] hashes = options.Mode == DisaggregationMode.Never
            ? []
            : PromptHashes.Compute(attempt, device.Identity.Model, device.Identity.Numerics);
        RoutingQuery query = new(attempt.Request.Model, request.Prompt.Length, hashes, attempt.Avoid);
        if (planner.Decide(Site(), query) is not { } first)
        {
            return new StartedSequence(Accepted(engine.Submit(request)));
        }

        SubmitResult<Reservation> reserved;
        try
        {
            reserved = await engine.ReserveAsync(request, HoldTime, cancellation);
        }
        catch (EngineException failure)
        {
            breaker.Abandoned(first.Device.Identity.Id);
            throw EngineMapping.ToException(failure, device.Identity.Id);
        }
        catch
        {
            breaker.Abandoned(first.Device.Identity.Id);
            throw;
        }

        if (reserved.Accepted is { } reservation)
        {
            StartedSequence sequence = new(reservation.Handle);
            sequence.Prefill = Fill(attempt, query, reservation, sequence, first, cancellation);
            return sequence;
        }

        breaker.Abandoned(first.Device.Identity.Id);
        return reserved.Refused!.Reason == RefusalReason.Finished

            // The silo of an earlier attempt was lost between the last token and the end: there is only the end to be told.
            ? new StartedSequence(Accepted(engine.Submit(request)))
            : throw EngineMapping.ToException(reserved.Refused, device.Identity.Id);
    }

    private DecodeSite Site()
    {
        InferenceEngine engine = device.Worker.Engine;
        return new DecodeSite(device.Identity, device.Load(), (double)engine.Layout.BlockBytesAllLayers / engine.Layout.BlockSize, engine.Options.MaxBatchTokens);
    }

    private async Task Fill(
        GenerateAttempt attempt, RoutingQuery query, Reservation reservation, StartedSequence sequence, PrefillChoice first, CancellationToken cancellation)
    {
        using CancellationTokenRegistration released = cancellation.Register(reservation.Release);
        List<string> tried = [];
        PrefillChoice? remote = first;
        int epoch = reservation.Epoch;
        using (reservations.Open(reservation))
        {
            while (remote is not null)
            {
                tried.Add(remote.Device.Identity.Id);
                if (await TryRemote(attempt, reservation, sequence, remote, epoch, cancellation) || cancellation.IsCancellationRequested)
                {
                    return;
                }

                if (sequence.Failure is not null)
                {
                    // It is for the client to decide who is asked next: a device that computes this prompt may have to pay for it.
                    reservation.Release();
                    return;
                }

                if (await Renew(reservation, cancellation) is not { } renewed)
                {
                    return;
                }

                epoch = renewed;
                remote = tried.Count < options.Attempts ? planner.DecideAgain(Site(), query with { Avoid = [.. attempt.Avoid, .. tried] }) : null;
            }
        }

        if (reservation.StartLocal())
        {
            planner.CountFailed(Site());
        }
    }

    private async Task<bool> TryRemote(
        GenerateAttempt attempt, Reservation reservation, StartedSequence sequence, PrefillChoice remote, int epoch, CancellationToken cancellation)
    {
        string id = remote.Device.Identity.Id;
        PrefillOrder order = new()
        {
            Attempt = attempt,
            SkipTokens = reservation.CachedTokens,
            Target = new KvTarget(device.Identity.TransferEndpoint!, reservation.Id, epoch),
            Numerics = device.Identity.Numerics,
        };
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        long start = time.GetTimestamp();
        string failure;
        try
        {
            Task<PrefillAnswer> prefill = grains.GetGrain<IPrefillGrain>(id).Prefill(order, deadline.Token);
            PrefillAnswer answer = await PrefillWatch.WaitAsync(prefill, () => planner.IsSilent(attempt.Request.Model, id), options.PrefillTimeout, time, cancellation);
            CommitOutcome outcome = reservation.Commit(epoch, EngineMapping.ToChosen(answer.First));
            if (outcome == CommitOutcome.Committed)
            {
                breaker.Succeeded(id, time.GetElapsedTime(start), remote.Expected);
                speeds.Note(id, answer.SentBytes, answer.SendTime);
                return true;
            }

            failure = $"the commit was refused: {outcome}";
        }
        catch (GridException failed) when (failed.Error == GridError.RequestFailed)
        {
            // The prompt's own fault: the device goes on with others.
            breaker.Abandoned(id);
            sequence.Failure = failed;
            return false;
        }
        catch (Exception exception)
        {
            // Whatever went wrong over there: it is reported below, and the prompt is computed elsewhere.
            failure = exception.Message;
        }

        if (cancellation.IsCancellationRequested)
        {
            breaker.Abandoned(id);
        }
        else
        {
            log.PrefillFailed(attempt.Request.RequestId, id, failure);
            breaker.Failed(id, time.GetElapsedTime(start), failure);
            GridMetrics.PrefillFailures.Add(1, new KeyValuePair<string, object?>("device", id));
        }

        // The device may still be at it.
        await deadline.CancelAsync();
        return false;
    }

    /// <summary>The next epoch; null when the reservation has ended.</summary>
    private async Task<int?> Renew(Reservation reservation, CancellationToken cancellation)
    {
        // A write of the old epoch is a copy of memory: it is over soon.
        for (int i = 0; i < 100 && !cancellation.IsCancellationRequested; i++)
        {
            if (reservation.Renew(HoldTime) is { } epoch)
            {
                return epoch;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), time, CancellationToken.None);
        }

        reservation.Release();
        return null;
    }

    private T Accepted<T>(SubmitResult<T> result)
        where T : class => result.Accepted ?? throw EngineMapping.ToException(result.Refused!, device.Identity.Id);
}
