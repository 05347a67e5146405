namespace ServingGrid.Grains.Grid;

/// <summary>A device in the answer to a silo's report.</summary>
[GenerateSerializer, Immutable]
public sealed record DeviceEntry
{
    [Id(0)]
    public required DeviceIdentity Device { get; init; }

    [Id(1)]
    public required DeviceLoad Load { get; init; }

    /// <summary>Time since the device last reported.</summary>
    [Id(2)]
    public required TimeSpan Age { get; init; }
}

/// <summary>One entry of the grid's log of prefix caches.</summary>
[GenerateSerializer, Immutable]
public sealed record BlockBatch
{
    /// <summary>Place in the log; grows.</summary>
    [Id(0)]
    public required long Version { get; init; }

    [Id(1)]
    public required string DeviceId { get; init; }

    /// <summary>Forget the device's blocks first.</summary>
    [Id(2)]
    public required bool Reset { get; init; }

    [Id(3)]
    public required ulong[] Stored { get; init; }

    [Id(4)]
    public required ulong[] Removed { get; init; }
}

/// <summary>What changed in the grid since a silo last asked.</summary>
[GenerateSerializer, Immutable]
public sealed record GridUpdate
{
    /// <summary>Changes when the grain starts anew: versions before it mean nothing then.</summary>
    [Id(0)]
    public required Guid Epoch { get; init; }

    /// <summary>Version to ask with next.</summary>
    [Id(1)]
    public required long Version { get; init; }

    /// <summary>Every device of the model.</summary>
    [Id(2)]
    public required DeviceEntry[] Devices { get; init; }

    /// <summary>In order of version.</summary>
    [Id(3)]
    public required BlockBatch[] Blocks { get; init; }

    /// <summary>There are more changes: ask again at once.</summary>
    [Id(4)]
    public required bool More { get; init; }

    /// <summary>The grain has missed events of the reporting device: report all of its blocks.</summary>
    [Id(5)]
    public required bool ResendBlocks { get; init; }

    /// <summary>Why the reporting device may not join, in one sentence.</summary>
    [Id(6)]
    public string? Refused { get; init; }

    /// <summary>Where the grid's state lives: the first suspect when it does not answer.</summary>
    [Id(7)]
    public SiloAddress? Silo { get; init; }

    /// <summary>The state does not know yet whether the reporting device may join: it is to ask again.</summary>
    [Id(8)]
    public bool Undecided { get; init; }
}
