namespace ServingGrid.Client;

/// <summary>Whether the grid answers requests at this moment: for load balancers and probes.</summary>
[GenerateSerializer, Immutable]
public sealed record GridHealth
{
    /// <summary>The models of which a device takes requests now, by name.</summary>
    [Id(0)]
    public required IReadOnlyList<string> Models { get; init; }

    /// <summary>Why there is none, in one sentence; null when there is one.</summary>
    [Id(1)]
    public string? Reason { get; init; }
}

/// <summary>
/// Says how the grid is, from what the silo knows that is asked: makes no call, so that any number may ask. Key: <see cref="Key"/>.
/// </summary>
public interface IGridHealthGrain : IGrainWithStringKey
{
    /// <summary>The only key; every silo has a grain of its own for it.</summary>
    const string Key = "health";

    Task<GridHealth> Get();

    /// <summary>Those of some processes that have ended, as membership knows; a silo that has come back is another process.</summary>
    /// <param name="silos">Few.</param>
    Task<SiloAddress[]> FindDead(SiloAddress[] silos);
}
