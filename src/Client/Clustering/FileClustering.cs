using Orleans.Messaging;

namespace ServingGrid.Client.Clustering;

/// <summary>Silos' side of <see cref="MembershipDatabase"/>. SQLite has no asynchronous calls: they run on the thread pool.</summary>
internal sealed class FileMembershipTable(MembershipDatabase database) : IMembershipTable
{
    public Task InitializeMembershipTable(bool tryInitTableVersion) => Task.Run(database.Initialize);

    public Task DeleteMembershipTableEntries(string clusterId) => Task.Run(() => database.Delete(clusterId));

    public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => Task.Run(() => database.RemoveDefunct(beforeDate));

    public Task<MembershipTableData> ReadRow(SiloAddress key) => Task.Run(() => database.Read(key));

    public Task<MembershipTableData> ReadAll() => Task.Run(() => database.Read());

    public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) => Task.Run(() => database.Insert(entry, tableVersion));

    public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) => Task.Run(() => database.Update(entry, etag, tableVersion));

    public Task UpdateIAmAlive(MembershipEntry entry) => Task.Run(() => database.Touch(entry));
}

/// <summary>Clients' side: the gateways of the silos that are active.</summary>
internal sealed class FileGatewayListProvider(MembershipDatabase database) : IGatewayListProvider
{
    public TimeSpan MaxStaleness => TimeSpan.FromSeconds(2);

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => Task.Run(database.Initialize);

    public Task<IList<Uri>> GetGateways() => Task.Run<IList<Uri>>(() =>
    [
        .. database.Read().Members
            .Select(row => row.Item1)
            .Where(entry => entry.Status == SiloStatus.Active && entry.ProxyPort > 0)
            .Select(entry => SiloAddress.New(entry.SiloAddress.Endpoint.Address, entry.ProxyPort, entry.SiloAddress.Generation).ToGatewayUri()),
    ]);
}
