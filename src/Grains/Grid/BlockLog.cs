namespace ServingGrid.Grains.Grid;

/// <summary>
/// The prefix caches of many devices as one log that any number of readers follow at their own pace: each keeps the version
/// that it has read. A device's entries are rewritten as new ones, beginning with a reset, once they hold more than twice what
/// the device has: so the log is bounded, and a reader that was away for long reads the rewritten entries and is right again.
/// Readers forget by themselves the devices that are gone. Not thread-safe.
/// </summary>
public sealed class BlockLog
{
    /// <summary>Most hashes of an entry.</summary>
    public const int BatchHashes = 4096;

    /// <summary>Hashes that a device's entries may hold beyond twice its blocks.</summary>
    public const int Slack = 1024;

    private readonly List<BlockBatch> _entries = [];
    private readonly HashSet<long> _dropped = [];
    private readonly Dictionary<string, DeviceBlocks> _devices = new(StringComparer.Ordinal);

    /// <summary>Version of the newest entry.</summary>
    public long Version { get; private set; }

    /// <summary>Hashes in the entries that readers can still get.</summary>
    public int LoggedHashes => _devices.Values.Sum(device => device.Logged);

    /// <summary>Appends a device's changes; false when events before them are missing: its silo must then resend all.</summary>
    public bool Append(string deviceId, BlockChanges changes)
    {
        if (!_devices.TryGetValue(deviceId, out DeviceBlocks? device))
        {
            if (!changes.Reset)
            {
                return false;
            }

            _devices.Add(deviceId, device = new DeviceBlocks());
        }
        else if (!changes.Reset && device.LastId != changes.After)
        {
            return false;
        }

        device.LastId = changes.LastId;
        if (changes.Reset)
        {
            device.Hashes.Clear();
        }

        device.Hashes.UnionWith(changes.Stored);
        device.Hashes.ExceptWith(changes.Removed);
        if (changes.Reset || device.Logged + changes.Stored.Length + changes.Removed.Length > (2 * device.Hashes.Count) + Slack)
        {
            Drop(device);
            Write(deviceId, device, reset: true, [.. device.Hashes], []);
        }
        else if (changes.Stored.Length + changes.Removed.Length > 0)
        {
            Write(deviceId, device, reset: false, changes.Stored, changes.Removed);
        }

        return true;
    }

    /// <summary>Removes a device and its entries.</summary>
    public void Remove(string deviceId)
    {
        if (_devices.Remove(deviceId, out DeviceBlocks? device))
        {
            Drop(device);
        }
    }

    /// <summary>Entries after <paramref name="version"/>, until they hold at least <paramref name="hashes"/>.</summary>
    public (BlockBatch[] Entries, bool More) Read(long version, int hashes)
    {
        List<BlockBatch> read = [];
        int i = FirstAfter(version);
        for (; i < _entries.Count && hashes > 0; i++)
        {
            if (!_dropped.Contains(_entries[i].Version))
            {
                read.Add(_entries[i]);
                hashes -= _entries[i].Stored.Length + _entries[i].Removed.Length;
            }
        }

        return ([.. read], i < _entries.Count);
    }

    private int FirstAfter(long version)
    {
        int low = 0, high = _entries.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _entries[middle].Version <= version ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private void Write(string deviceId, DeviceBlocks device, bool reset, ulong[] stored, ulong[] removed)
    {
        // Removals after additions, so that a hash in both is gone whichever entry boundary falls between them.
        int written = 0, total = stored.Length + removed.Length;
        do
        {
            int length = Math.Min(BatchHashes, total - written);
            int fromStored = Math.Clamp(stored.Length - written, 0, length);
            int removedAt = Math.Max(written - stored.Length, 0);
            BlockBatch entry = new()
            {
                Version = ++Version,
                DeviceId = deviceId,
                Reset = reset,
                Stored = fromStored == stored.Length ? stored : stored.AsSpan(Math.Min(written, stored.Length), fromStored).ToArray(),
                Removed = removed.AsSpan(removedAt, length - fromStored).ToArray(),
            };
            _entries.Add(entry);
            device.Versions.Add(entry.Version);
            device.Logged += length;
            written += length;
            reset = false;
        }
        while (written < total);
    }

    private void Drop(DeviceBlocks device)
    {
        _dropped.UnionWith(device.Versions);
        device.Versions.Clear();
        device.Logged = 0;
        if (_dropped.Count > _entries.Count / 2)
        {
            _entries.RemoveAll(entry => _dropped.Contains(entry.Version));
            _dropped.Clear();
        }
    }

    private sealed class DeviceBlocks
    {
        public HashSet<ulong> Hashes { get; } = [];

        public List<long> Versions { get; } = [];

        public int Logged { get; set; }

        public long LastId { get; set; }
    }
}
