namespace ServingGrid.Grains.Grid;

/// <summary>
/// What the devices of one model have reported, and their blocks as a log for any number of readers. Holds nothing that silos could not say
/// again: see <see cref="GridStateGrain"/>. Not thread-safe.
/// </summary>
/// <remarks>
/// <b>Who defines the grid.</b> Devices that serve a model together must be of a kind (<see cref="GridAdmission"/>), and a state that has
/// just begun anew has forgotten of which. So a device says for how long it has been a part of the grid. One that has been is accepted at
/// once; a newcomer waits until every silo that may serve the model was heard, or as long as a lease lasts. Where two kinds meet that were
/// both accepted once, the grid is that of the device which was accepted first; the others are refused, and stay outside until they are
/// stopped.
/// </remarks>
/// <param name="model">Its name.</param>
/// <param name="silo">Where this is.</param>
/// <param name="silos">The silos that may serve the model.</param>
/// <param name="time">Clock.</param>
/// <param name="log">Log.</param>
internal sealed class GridState(string model, SiloAddress silo, Func<IEnumerable<SiloAddress>> silos, TimeProvider time, ILogger log)
{
    /// <summary>A device that does not report for so long is forgotten.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(3);

    /// <summary>Hashes of one answer: 128 KB.</summary>
    private const int AnswerHashes = 16 * 1024;

    private readonly Guid _epoch = Guid.NewGuid();
    private readonly long _start = time.GetTimestamp();
    private readonly BlockLog _blocks = new();
    private readonly Dictionary<string, Reported> _devices = new(StringComparer.Ordinal);

    // Only while this is young.
    private readonly HashSet<SiloAddress> _heard = [];

    /// <summary>Takes a report and answers with what changed; see <see cref="IGridStateGrain.Exchange"/>.</summary>
    public GridUpdate Exchange(DeviceReport? report, Guid epoch, long version)
    {
        ForgetSilent();
        (Verdict verdict, string? refused) = report is null ? default : Judge(report);
        bool resend = verdict == Verdict.Accepted && Accept(report!);
        (BlockBatch[] entries, bool more) = _blocks.Read(epoch == _epoch ? version : 0, AnswerHashes);
        return new GridUpdate
        {
            Epoch = _epoch,
            Version = entries.Length > 0 ? entries[^1].Version : _blocks.Version,
            Devices = Entries(),
            Blocks = entries,
            More = more,
            ResendBlocks = resend,
            Refused = refused,
            Silo = silo,
            Undecided = verdict == Verdict.Undecided,
        };
    }

    /// <summary>The devices that report.</summary>
    public DeviceEntry[] GetDevices()
    {
        ForgetSilent();
        return Entries();
    }

    /// <summary>A device leaves in good order.</summary>
    public void Leave(string deviceId) => Forget(deviceId);

    private DeviceEntry[] Entries() => [.. _devices.Values.Select(device => new DeviceEntry
    {
        Device = device.Report.Device,
        Load = device.Report.Load,
        Age = time.GetElapsedTime(device.At),
    })];

    private (Verdict Verdict, string? Refused) Judge(DeviceReport report)
    {
        if (_devices.TryGetValue(report.Device.Id, out Reported? known) && known.Report.Device == report.Device)
        {
            return (Verdict.Accepted, null);
        }

        // Only what a device says first gets here.
        List<Reported> others =
            [.. _devices.Values.Where(other => GridAdmission.Refusal(report.Device, [other.Report.Device]) is not null)];
        if (others.Count > 0)
        {
            if (!(report.AdmittedFor > others.Max(other => other.Report.AdmittedFor ?? TimeSpan.Zero)))
            {
                return (Verdict.Refused, GridAdmission.Refusal(report.Device, others.Select(other => other.Report.Device)));
            }

            foreach (DeviceIdentity other in others.Select(other => other.Report.Device).ToList())
            {
                log.DeviceGivesWay(other.Id, GridAdmission.Refusal(other, [report.Device])!);
                Forget(other.Id);
            }
        }

        if (time.GetElapsedTime(_start) >= Lease)
        {
            _heard.Clear();
            return (Verdict.Accepted, null);
        }

        _heard.Add(report.Device.Silo);
        return (report.AdmittedFor is not null || silos().All(_heard.Contains) ? Verdict.Accepted : Verdict.Undecided, null);
    }

    private bool Accept(DeviceReport report)
    {
        string id = report.Device.Id;
        if (!_devices.TryGetValue(id, out Reported? known) || known.Report.Device.Silo != report.Device.Silo)
        {
            Forget(id);
            log.DeviceJoined(id, report.Device.Model.Name, report.Load.Role);
        }

        bool isNew = !_devices.ContainsKey(id);
        _devices[id] = new Reported(report, time.GetTimestamp());
        return report.Blocks is { } blocks ? !_blocks.Append(id, blocks) : isNew;
    }

    private void ForgetSilent()
    {
        foreach (string id in _devices.Where(device => time.GetElapsedTime(device.Value.At) > Lease).Select(device => device.Key).ToList())
        {
            Forget(id);
        }
    }

    private void Forget(string id)
    {
        if (_devices.Remove(id))
        {
            _blocks.Remove(id);
            log.DeviceLeft(id, model);
        }
    }

    private enum Verdict
    {
        Refused,
        Undecided,
        Accepted,
    }

    private sealed record Reported(DeviceReport Report, long At);
}
