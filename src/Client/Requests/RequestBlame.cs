namespace ServingGrid.Client.Requests;

/// <summary>
/// What of a request's failures is held against the request itself: devices that name it as the reason, and silos that are lost as soon as
/// they have
/// it. A silo that dies blames nobody otherwise: it has many requests, and most deaths have other reasons. Not thread-safe.
/// </summary>
internal sealed class RequestBlame(GenerateRequest request)
{
    /// <summary>
    /// Devices that may name the request before it ends: a second opinion is asked for, whichever way the attempts were started.
    /// </summary>
    public const int MostFailures = 2;

    /// <summary>Silos that may be lost to it.</summary>
    public const int MostLosses = 3;

    /// <summary>Longest time between a silo's taking the request and its last sign of life for which the request is suspected.</summary>
    public static readonly TimeSpan SuspiciousLife = TimeSpan.FromSeconds(1);

    private readonly HashSet<string> _failed = new(StringComparer.Ordinal);
    private readonly HashSet<string> _lost = new(StringComparer.Ordinal);
    private bool _refused;

    /// <summary>Devices that have named the request.</summary>
    public string[] Failed => [.. _failed];

    /// <summary>True when the request is to end: the same would happen anywhere.</summary>
    public bool IsProven => _refused || _failed.Count >= MostFailures || _lost.Count >= MostLosses;

    /// <summary>Takes note of how an attempt has ended; of one that is noted twice, once.</summary>
    public void Note(AttemptReader attempt)
    {
        if (attempt.Failure is GridException { Error: GridError.RequestFailed } failure)
        {
            // A device that is asked again although it was known to fail says that there is no other.
            _refused |= failure.Device is not { } device || attempt.Attempt.Failed.Contains(device);
            _failed.UnionWith(failure.Device is null ? [] : [failure.Device]);
        }
        else if (RequestFailures.IsLoss(attempt.Failure) && attempt is { Device: { } silo, Lived: { } lived } && lived <= SuspiciousLife)
        {
            _lost.Add(silo);
        }
    }

    /// <summary>The request's end.</summary>
    /// <param name="last">What ended the last attempt.</param>
    /// <param name="device">The device that it ran on.</param>
    public GridException ToException(Exception? last, string? device)
    {
        string why = _failed.Count >= MostFailures ? "two devices failed to compute it, and served others meanwhile"
            : _failed.Count > 0 || _refused ? "a device failed to compute it, and there is no other to ask"
            : "three silos were lost within a second of taking it";
        return new GridException(GridError.RequestFailed, $"Request {request.RequestId} cannot be served: {why}.", last)
        {
            Device = (last as GridException)?.Device ?? device,
        };
    }
}
