namespace ServingGrid.Grains.Grid;

/// <summary>
/// What the devices of one model have reported, and their blocks as a log for any number of readers. Holds nothing that silos could not say
/// again: see <see cref="GridStateGrain"/>. Not thread-safe.
/// </summary>
/// <param name="model">Its name.</param>
/// <param name="silo">Where this is.</param>
/// <param name="time">Clock.</param>
/// <param name="log">Log.</param>
internal sealed class GridState(string model, SiloAddress silo, TimeProvider time, ILogger log)
{
    /// <summary>A device that does not report for so long is forgotten.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(3);

    /// <summary>Hashes of one answer: 128 KB.</summary>
    private const int AnswerHashes = 16 * 1024;

    private readonly Guid _epoch = Guid.NewGuid();
    private readonly BlockLog _blocks = new();
    private readonly Dictionary<string, Reported> _devices = new(StringComparer.Ordinal);

    /// <summary>Takes a report and answers with what changed; see <see cref="IGridStateGrain.Exchange"/>.</summary>
    public GridUpdate Exchange(DeviceReport? report, Guid epoch, long version)
    {
        ForgetSilent();
        string? refused = report is null ? null : GridAdmission.Refusal(report.Device, _devices.Values.Select(device => device.Report.Device));
        bool resend = false;
        if (report is not null && refused is null)
        {
            resend = Accept(report);
        }

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
        Handovers = device.Report.Handovers,
    })];

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

    private sealed record Reported(DeviceReport Report, long At);
}
