namespace ServingGrid.Grains.Grid;

/// <summary>
/// The devices of one model and the blocks that they hold, as far as this silo knows. One writer (<see cref="GridReporter"/>), any number of
/// readers; a reader never waits for more than the application of a few hundred changes.
/// </summary>
public sealed class ModelView(string model, TimeProvider time)
{
    /// <summary>A view that has not been refreshed for so long is not trusted.</summary>
    public static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(1);

    /// <summary>A device that has not reported for so long gets no request while another can take it.</summary>
    public static readonly TimeSpan MaxReportAge = TimeSpan.FromSeconds(1);

    /// <summary>How long after its sending a request may be missing from its device's report: placement, activation, submission.</summary>
    private static readonly TimeSpan SendingTime = TimeSpan.FromMilliseconds(100);

    private const int HashesPerLock = 512;

    private readonly Lock _lock = new();
    private readonly GridBlockIndex _blocks = new();
    private readonly Dictionary<string, int> _slots = new(StringComparer.Ordinal);
    private readonly Stack<int> _freeSlots = [];

    /// <summary>Devices of an earlier state that the present one has not heard of yet: <see cref="BeginAnew"/>.</summary>
    private readonly HashSet<string> _awaited = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<(long At, int Tokens)>> _sent = new(StringComparer.Ordinal);
    private volatile DeviceView[] _devices = [];
    private volatile SiloAddress? _stateSilo;
    private long _refreshedAt = long.MinValue;
    private int _slotCount;

    public string Model { get; } = model;

    /// <summary>What to ask the grid's state with next: nothing at first. A view that is made anew begins anew. The writer's alone.</summary>
    internal (Guid Epoch, long Version) Position { get; private set; }

    /// <summary>Snapshot of the devices.</summary>
    public IReadOnlyList<DeviceView> Devices => _devices;

    /// <summary>The devices as the grid's state would list them.</summary>
    internal DeviceEntry[] Entries() =>
    [
        .. _devices.Select(device =>
            new DeviceEntry { Device = device.Identity, Load = device.Load, Age = time.GetElapsedTime(device.ReportedAt) }),
    ];

    /// <summary>Distinct blocks indexed.</summary>
    public int BlockCount
    {
        get
        {
            lock (_lock)
            {
                return _blocks.Count;
            }
        }
    }

    /// <summary>Time since the last refresh; <see cref="TimeSpan.MaxValue"/> before the first.</summary>
    public TimeSpan Age => Volatile.Read(ref _refreshedAt) is var at && at == long.MinValue ? TimeSpan.MaxValue : time.GetElapsedTime(at);

    /// <summary>True while decisions may be based on it.</summary>
    public bool IsFresh => Age <= MaxAge;

    /// <summary>True for a device that reports, as far as this silo can tell: see <see cref="IsSilent"/>.</summary>
    public bool IsAlive(DeviceView device) => !IsSilent(device, MaxReportAge);

    /// <summary>
    /// True for a device that has not reported for longer than <paramref name="patience"/>. When nothing at all is heard of the grid's state for so
    /// long, nothing is known of the devices but this: the silo that holds the state does not answer, and its device is the one that is suspect.
    /// </summary>
    public bool IsSilent(DeviceView device, TimeSpan patience) =>
        IsFresh ? time.GetElapsedTime(device.ReportedAt) > patience : Age > patience && device.Identity.Silo.Equals(_stateSilo);

    /// <summary>The devices with the number of leading blocks of <paramref name="chain"/> that each holds.</summary>
    /// <param name="chain">Hashes of a prompt's blocks.</param>
    /// <param name="others">
    /// The same blocks under the names that they have elsewhere: see <see cref="Routing.RoutingQuery.OtherHashes"/>.
    /// </param>
    public (IReadOnlyList<DeviceView> Devices, int[] MatchedBySlot) Match(ReadOnlySpan<ulong> chain, IReadOnlyList<ulong[]>? others = null)
    {
        lock (_lock)
        {
            int[] matched = new int[_slotCount];
            _blocks.Match(chain, matched);
            foreach (ulong[] other in others ?? [])
            {
                _blocks.Match(other, matched);
            }

            return (_devices, matched);
        }
    }

    /// <summary>Counts a request that this silo places on a device, until the device's own report counts it.</summary>
    public void NoteSent(string deviceId, int tokens)
    {
        lock (_lock)
        {
            if (!_slots.TryGetValue(deviceId, out int slot) || Array.FindIndex(_devices, device => device.Slot == slot) is var at && at < 0)
            {
                return;
            }

            if (!_sent.TryGetValue(deviceId, out List<(long At, int Tokens)>? sent))
            {
                _sent.Add(deviceId, sent = []);
            }

            sent.Add((time.GetTimestamp(), tokens));

            // Readers hold on to the array that they got.
            DeviceView[] devices = [.. _devices];
            devices[at] = devices[at].WithSent(tokens);
            _devices = devices;
        }
    }

    /// <summary>Leading tokens of a prompt, given by the hashes of its full blocks, that a device's prefix cache holds.</summary>
    public int CachedTokens(string deviceId, ReadOnlySpan<ulong> chain, int blockSize)
    {
        lock (_lock)
        {
            return _slots.TryGetValue(deviceId, out int slot) ? _blocks.MatchOne(slot, chain) * blockSize : 0;
        }
    }

    /// <summary>Takes an answer of <see cref="IGridStateGrain.Exchange"/>.</summary>
    internal void Apply(GridUpdate update)
    {
        lock (_lock)
        {
            if (update.Epoch != Position.Epoch)
            {
                BeginAnew(update.Silo);
            }

            TakeDevices(update.Devices);
        }

        foreach (BlockBatch batch in update.Blocks)
        {
            TakeBlocks(batch);
        }

        Position = (update.Epoch, update.Version);
        _stateSilo = update.Silo;
        Volatile.Write(ref _refreshedAt, time.GetTimestamp());
    }

    /// <summary>
    /// The grid's state has begun anew and learns of a device with its next report. Until then a device counts as one that has reported just now: it is not gone,
    /// and what runs there must not be given up. Where the state was before is gone, if it is elsewhere now.
    /// </summary>
    private void BeginAnew(SiloAddress? stateSilo)
    {
        // What the grid's state has forgotten, it cannot take back.
        foreach (int slot in _slots.Values)
        {
            _blocks.Clear(slot);
        }

        long now = time.GetTimestamp();
        SiloAddress? gone = Equals(stateSilo, _stateSilo) ? null : _stateSilo;
        _devices = [.. _devices.Where(device => !device.Identity.Silo.Equals(gone)).Select(device => device with { ReportedAt = now })];
        _awaited.UnionWith(_devices.Select(device => device.Identity.Id));
    }

    private void TakeDevices(DeviceEntry[] entries)
    {
        HashSet<string> present = [.. entries.Select(entry => entry.Device.Id)];
        _awaited.ExceptWith(present);
        DeviceView[] awaited = [.. _devices.Where(device => _awaited.Contains(device.Identity.Id) && time.GetElapsedTime(device.ReportedAt) <= MaxReportAge)];
        _awaited.Clear();
        _awaited.UnionWith(awaited.Select(device => device.Identity.Id));
        present.UnionWith(_awaited);
        foreach ((string id, int slot) in _slots.Where(slot => !present.Contains(slot.Key)).ToList())
        {
            _blocks.Clear(slot);
            _slots.Remove(id);
            _sent.Remove(id);
            _freeSlots.Push(slot);
        }

        long now = time.GetTimestamp();
        _devices = [.. entries.Select(entry => View(entry, now)), .. awaited];
    }

    private DeviceView View(DeviceEntry entry, long now)
    {
        string id = entry.Device.Id;
        if (!_slots.TryGetValue(id, out int slot))
        {
            slot = _freeSlots.TryPop(out int free) ? free : _slotCount++;
            _slots.Add(id, slot);
        }

        long reportedAt = now - (long)(entry.Age.TotalSeconds * time.TimestampFrequency);
        var view = new DeviceView(slot, entry.Device, entry.Load, reportedAt, 0, entry.Load.Backlog);
        if (_sent.TryGetValue(id, out List<(long At, int Tokens)>? sent))
        {
            sent.RemoveAll(request => time.GetElapsedTime(request.At, reportedAt) > SendingTime);
            view = sent.Aggregate(view, (known, request) => known.WithSent(request.Tokens));
        }

        return view;
    }

    private void TakeBlocks(BlockBatch batch)
    {
        for (int first = 0; first == 0 || first < batch.Stored.Length + batch.Removed.Length; first += HashesPerLock)
        {
            lock (_lock)
            {
                if (!_slots.TryGetValue(batch.DeviceId, out int slot))
                {
                    return;
                }

                if (first == 0 && batch.Reset)
                {
                    _blocks.Clear(slot);
                }

                for (int i = first; i < first + HashesPerLock && i < batch.Stored.Length + batch.Removed.Length; i++)
                {
                    if (i < batch.Stored.Length)
                    {
                        _blocks.Add(slot, batch.Stored[i]);
                    }
                    else
                    {
                        _blocks.Remove(slot, batch.Removed[i - batch.Stored.Length]);
                    }
                }
            }
        }
    }
}
