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
