namespace ServingGrid.Client.Connections;

/// <summary>
/// Most connections at a time on each port of a silo. Each port has a share of its own, so that strangers on one take nothing from another.
/// </summary>
/// <param name="Silos">From other silos.</param>
/// <param name="Clients">From gateways and other clients.</param>
/// <param name="KvPeers">KV blocks, from silos that have proved the cluster's secret.</param>
/// <param name="KvStrangers">KV port, from those that have not yet; as many again may be on their way in or out.</param>
/// <param name="Status">Health and metrics.</param>
public sealed record SiloShares(int Silos, int Clients, int KvPeers, int KvStrangers, int Status)
{
    private const int MostOfAPort = 4096;
    private const int MostKvPeers = 256;
    private const int MostKvStrangers = 64;
    private const int MostStatus = 64;

    /// <summary>
    /// Shares of what the limit of open files leaves: a quarter for silos, one for clients, one for KV blocks (a third of it for
    /// strangers), a sixteenth for the status port. The rest is for the connections that the silo opens.
    /// </summary>
    /// <param name="connections">Connections of all ports together: <see cref="OpenFiles.ForConnections"/>.</param>
    public static SiloShares Of(int connections)
    {
        int quarter = Math.Max(12, connections / 4);
        int strangers = Math.Min(quarter / 6, MostKvStrangers);
        return new SiloShares(
            Math.Min(quarter, MostOfAPort),
            Math.Min(quarter, MostOfAPort),
            Math.Min(quarter - (2 * strangers), MostKvPeers),
            strangers,
            Math.Clamp(connections / 16, 4, MostStatus));
    }
}
