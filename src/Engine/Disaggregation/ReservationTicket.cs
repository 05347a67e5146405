namespace ServingGrid.Engine.Disaggregation;

/// <summary>A sequence's wish for a reservation: from the queue until it is committed or started locally. Engine's thread, but for the task.</summary>
internal sealed class ReservationTicket(TimeSpan lifetime)
{
    private readonly TaskCompletionSource<Reservation> _granted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when the blocks are there.</summary>
    public Task<Reservation> Granted => _granted.Task;

    public TimeSpan Lifetime { get; } = lifetime;

    public Reservation? Reservation { get; private set; }

    /// <summary>The sequence computes on this device from now on.</summary>
    public bool Used { get; set; }

    public void Grant(Reservation reservation)
    {
        Reservation = reservation;
        _granted.TrySetResult(reservation);
    }

    public void Cancel() => _granted.TrySetCanceled();

    public void Fail(EngineException reason) => _granted.TrySetException(reason);
}
