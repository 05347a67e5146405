using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Grains.Devices;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Routing;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>
/// Starts sequences on this silo's engine, with their prompts computed here or by another device:
/// <code>
///   decide → reserve → order prefill → (blocks arrive) → commit
///                        │ fails: renew the epoch, order elsewhere
///                        └ fails again: compute the prompt here
/// </code>
/// The reservation ends in exactly one of commit, local start and release. Thread-safe.
/// </summary>
internal sealed class Handover(
    LocalDevice device, DeviceRouter router, GridView view, IGrainFactory grains, ReservationTable reservations, DisaggregationOptions options, TimeProvider time, ILogger<Handover> log)
{
    /// <summary>Starts a sequence: its stream is there at once, or after the wait for a reservation.</summary>
    /// <param name="attempt">The request.</param>
    /// <param name="cancellation">The request's end: gives up whatever is in progress.</param>
    /// <returns>The stream, and what goes on beside it until the prompt is computed.</returns>
    /// <exception cref="GridException">The engine refuses it.</exception>
    public async Task<(SequenceHandle Sequence, Task Prefill)> Start(GenerateAttempt attempt, CancellationToken cancellation)
    {
        InferenceEngine engine = device.Worker.Engine;
        SequenceRequest request = EngineMapping.ToSequence(attempt);
        if (Decide(attempt, request) is not { } first)
        {
            return (Accepted(engine.Submit(request)), Task.CompletedTask);
        }

        Reservation reservation = Accepted(await engine.ReserveAsync(request, options.PrefillTimeout, cancellation));
        return (reservation.Handle, Fill(attempt, reservation, first, cancellation));
    }

    /// <summary>The prefill device to use, or null: here.</summary>
    private DeviceView? Decide(GenerateAttempt attempt, SequenceRequest request)
    {
        string model = attempt.Request.Model;
        if (options.Mode == DisaggregationMode.Never || device.Identity.TransferEndpoint is null)
        {
            return null;
        }

        if (ChoosePrefill(model, request.Prompt.Length, []) is not { } remote)
        {
            // Only a device that should not prefill counts this as a fallback.
            Count(device.Role.Prefills() ? "local" : "local-fallback", "no-prefill-device");
            return null;
        }

        if (options.Mode == DisaggregationMode.Always)
        {
            Count("remote", "forced");
            return remote;
        }

        DeviceLoad local = device.Load();
        Kernels.KvLayout layout = device.Worker.Engine.Layout;
        int tail = Math.Min(request.Prompt.Length, device.Worker.Engine.Options.MaxBatchTokens);
        HandoverInputs inputs = new(
            request.Prompt.Length,
            local.PendingPromptTokens,
            local.PrefillTokensPerSecond,
            local.Running,
            remote.PendingTokens,
            remote.Load.PrefillTokensPerSecond,
            (double)tail / layout.BlockSize * layout.BlockBytesAllLayers / options.TransferBytesPerSecond);
        bool pays = HandoverCost.IsRemoteBetter(inputs);
        Count(pays ? "remote" : "local", "cost");
        return pays ? remote : null;
    }

    private async Task Fill(GenerateAttempt attempt, Reservation reservation, DeviceView first, CancellationToken cancellation)
    {
        using CancellationTokenRegistration released = cancellation.Register(reservation.Release);
        List<string> tried = [];
        DeviceView? remote = first;
        int epoch = reservation.Epoch;
        using (reservations.Open(reservation))
        {
            while (remote is not null)
            {
                tried.Add(remote.Identity.Id);
                if (await TryRemote(attempt, reservation, remote, epoch, cancellation) || cancellation.IsCancellationRequested)
                {
                    return;
                }

                remote = tried.Count < options.Attempts ? ChoosePrefill(attempt.Request.Model, attempt.Request.Prompt.Length, tried) : null;
                if (remote is not null && tried.Contains(remote.Identity.Id))
                {
                    remote = null;
                }

                if (await Renew(reservation, cancellation) is not { } renewed)
                {
                    return;
                }

                epoch = renewed;
            }
        }

        if (reservation.StartLocal())
        {
            Count("local-fallback", "prefill-failed");
        }
    }

    private async Task<bool> TryRemote(GenerateAttempt attempt, Reservation reservation, DeviceView remote, int epoch, CancellationToken cancellation)
    {
        string id = remote.Identity.Id;
        PrefillOrder order = new()
        {
            Attempt = attempt,
            SkipTokens = reservation.CachedTokens,
            Target = new KvTarget(device.Identity.TransferEndpoint!, reservation.Id, epoch),
        };
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            PrefillAnswer answer = await grains.GetGrain<IPrefillGrain>(id).Prefill(order, deadline.Token).WaitAsync(options.PrefillTimeout, time, cancellation);
            CommitOutcome outcome = reservation.Commit(epoch, EngineMapping.ToChosen(answer.First));
            if (outcome == CommitOutcome.Committed)
            {
                return true;
            }

            log.PrefillFailed(attempt.Request.RequestId, id, $"the commit was refused: {outcome}");
        }
        catch (Exception exception) when (exception is GridException or OrleansException or TimeoutException or OperationCanceledException)
        {
            if (!cancellation.IsCancellationRequested)
            {
                log.PrefillFailed(attempt.Request.RequestId, id, exception.Message);
            }
        }

        // The device may still be at it.
        await deadline.CancelAsync();
        GridMetrics.PrefillFailures.Add(1, new KeyValuePair<string, object?>("device", id));
        return false;
    }

    /// <summary>The next epoch; null when the reservation has ended.</summary>
    private async Task<int?> Renew(Reservation reservation, CancellationToken cancellation)
    {
        // A write of the old epoch is a copy of memory: it is over soon.
        for (int i = 0; i < 100 && !cancellation.IsCancellationRequested; i++)
        {
            if (reservation.Renew(options.PrefillTimeout) is { } epoch)
            {
                return epoch;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), time, CancellationToken.None);
        }

        reservation.Release();
        return null;
    }

    private DeviceView? ChoosePrefill(string model, int tokens, IReadOnlyCollection<string> avoid) => view.Find(model) is null ? null
        : router.ChoosePrefill(new RoutingQuery(model, tokens, [], avoid), candidate => candidate.Identity.Id != device.Identity.Id);

    private void Count(string place, string reason) => GridMetrics.PrefillDecisions.Add(
        1, new("model_name", device.Identity.Model.Name), new("place", place), new("reason", reason));

    private static T Accepted<T>(SubmitResult<T> result)
        where T : class => result.Accepted ?? throw EngineMapping.ToException(result.Refused!);
}
