using Orleans.Messaging;

namespace ServingGrid.Client.Clustering;

/// <summary>Clients' side of any membership table: the gateways of the silos that are active.</summary>
internal sealed class TableGatewayListProvider(IMembershipTable table) : IGatewayListProvider
{
    public TimeSpan MaxStaleness => TimeSpan.FromSeconds(2);

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => table.InitializeMembershipTableAsync(true, CancellationToken.None);

    public async Task<IList<Uri>> GetGateways() =>
    [
        .. (await table.ReadAllAsync(CancellationToken.None)).Members
            .Select(row => row.Item1)
            .Where(entry => entry.Status == SiloStatus.Active && entry.ProxyPort > 0)
            .Select(entry => SiloAddress.New(entry.SiloAddress.Endpoint.Address, entry.ProxyPort, entry.SiloAddress.Generation).ToGatewayUri()),
    ];
}
