namespace ServingGrid.Client.Requests;

/// <summary>Those of some processes that have ended, as far as the grid knows; none when nobody answers.</summary>
internal delegate Task<SiloAddress[]> FindDead(SiloAddress[] silos, CancellationToken cancellation);

/// <summary>
/// What of a request's failures is held against the request itself: devices that name it as the reason, and processes that die as soon as
/// they have it. A process that dies blames nobody otherwise: it has many requests, and most deaths have other reasons. Not thread-safe.
/// </summary>
/// <remarks>
/// A client cannot tell a silo that has died from one that is frozen or cut off, nor from a stall of its own. What it has lost is a
/// suspicion, which the grid's membership has to confirm; that is asked only once there are enough of them.
/// </remarks>
internal sealed class RequestBlame(GenerateRequest request, FindDead findDead, TimeProvider time)
{
    /// <summary>
    /// Devices that may name the request before it ends: a second opinion is asked for, whichever way the attempts were started.
    /// </summary>
    public const int MostFailures = 2;

    /// <summary>Processes that may die of it.</summary>
    public const int MostLosses = 3;

    /// <summary>Longest time between a silo's taking the request and its last sign of life for which the request is suspected.</summary>
    public static readonly TimeSpan SuspiciousLife = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long to wait for the grid to find out that the last of them is dead: a killed process is known after a second, a frozen one
    /// after three, of which the client has waited for two.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly HashSet<string> _failed = new(StringComparer.Ordinal);
    private readonly Dictionary<SiloAddress, string> _lost = [];
    private int _dead;
    private bool _refused;

    /// <summary>Devices that have named the request.</summary>
    public string[] Failed => [.. _failed];

    /// <summary>Devices whose process was lost as soon as it had the request.</summary>
    public IReadOnlyCollection<string> Lost => _lost.Values;

    /// <summary>True when the request is to end: the same would happen anywhere.</summary>
    public bool IsProven => _refused || _failed.Count >= MostFailures || _dead >= MostLosses;

    /// <summary>Takes note of how an attempt has ended; of one that is noted twice, once.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="cancellation">The request's end.</param>
    public async ValueTask Note(AttemptReader attempt, CancellationToken cancellation)
    {
        if (attempt.Failure is GridException { Error: GridError.RequestFailed } failure)
        {
            // A device that is asked again although it was known to fail says that there is no other.
            _refused |= failure.Device is not { } device || attempt.Attempt.Failed.Contains(device);
            _failed.UnionWith(failure.Device is null ? [] : [failure.Device]);
        }
        else if (RequestFailures.IsLoss(attempt.Failure) && attempt is { Silo: { } silo, Lived: { } lived } && lived <= SuspiciousLife
            && _lost.TryAdd(silo, attempt.Device!) && _lost.Count >= MostLosses)
        {
            await Confirm(cancellation);
        }
    }

    private async Task Confirm(CancellationToken cancellation)
    {
        long start = time.GetTimestamp();
        while (true)
        {
            _dead = (await findDead([.. _lost.Keys], cancellation)).Length;
            if (_dead >= MostLosses || time.GetElapsedTime(start) >= Patience)
            {
                return;
            }

            await Task.Delay(Pause, time, cancellation);
        }
    }

    /// <summary>The request's end.</summary>
    /// <param name="last">What ended the last attempt.</param>
    /// <param name="device">The device that it ran on.</param>
    public GridException ToException(Exception? last, string? device)
    {
        string why = _failed.Count >= MostFailures ? "two devices failed to compute it, and served others meanwhile"
            : _dead < MostLosses ? "a device failed to compute it, and there is no other to ask"
            : "three processes died, each within a second of taking it";
        return new GridException(GridError.RequestFailed, $"Request {request.RequestId} cannot be served: {why}.", last)
        {
            Device = (last as GridException)?.Device ?? device,
        };
    }
}
