
namespace ServingGrid.Client.Clustering;

/// <summary>A membership entry as stores keep it.</summary>
internal sealed record MembershipRow
{
    public required string Address { get; init; }

    public required SiloStatus Status { get; init; }

    public required string HostName { get; init; }

    public required string SiloName { get; init; }

    public required int ProxyPort { get; init; }

    public required DateTime StartTime { get; init; }

    public string? RoleName { get; init; }

    public int UpdateZone { get; init; }

    public int FaultZone { get; init; }

    public List<Suspicion> Suspicions { get; init; } = [];

    public static MembershipRow From(MembershipEntry entry) => new()
    {
        Address = entry.SiloAddress.ToParsableString(),
        Status = entry.Status,
        HostName = entry.HostName,
        SiloName = entry.SiloName,
        ProxyPort = entry.ProxyPort,
        StartTime = entry.StartTime,
        RoleName = entry.RoleName,
        UpdateZone = entry.UpdateZone,
        FaultZone = entry.FaultZone,
        Suspicions = [.. (entry.SuspectTimes ?? []).Select(suspect => new Suspicion(suspect.Item1.ToParsableString(), suspect.Item2))],
    };

    public MembershipEntry ToEntry() => new()
    {
        SiloAddress = SiloAddress.FromParsableString(Address),
        Status = Status,
        HostName = HostName,
        SiloName = SiloName,
        ProxyPort = ProxyPort,
        StartTime = StartTime,
        RoleName = RoleName,
        UpdateZone = UpdateZone,
        FaultZone = FaultZone,
        SuspectTimes = [.. Suspicions.Select(suspicion => Tuple.Create(SiloAddress.FromParsableString(suspicion.By), suspicion.At))],
    };

    /// <summary>A silo that suspects this one, and since when.</summary>
    internal sealed record Suspicion(string By, DateTime At);
}
