using System.Globalization;
using System.Text.Json;
using Azure;
using Azure.Data.Tables;

namespace ServingGrid.Client.Clustering;

/// <summary>
/// The membership rows of a grid in Azure Table Storage: one partition for a grid, one entity for each silo, and one for the table's
/// version, which every change replaces in the same transaction, as Orleans' protocol asks. Thread-safe.
/// </summary>
internal sealed class AzureTableMembership(TableClient table, string clusterId) : IMembershipTable
{
    private const string VersionRow = "version";
    private const string SiloPrefix = "silo-";
    private const string Version = "Version";
    private const string Entry = "Entry";
    private const string Alive = "Alive";

    // Entity group transactions hold 100 operations at most.
    private const int BatchSize = 100;

    public async Task InitializeMembershipTable(bool tryInitTableVersion)
    {
        try
        {
            await table.CreateIfNotExistsAsync();
            await table.AddEntityAsync(new TableEntity(clusterId, VersionRow) { [Version] = 0 });
        }
        catch (RequestFailedException exception) when (exception.Status == 409)
        {
            // Another silo was first.
        }
        catch (Exception exception) when (exception is RequestFailedException or AggregateException)
        {
            throw new ClusterStoreException($"Azure Table Storage at {table.Uri.GetLeftPart(UriPartial.Authority)} cannot be used: {FirstLine(exception)}", exception);
        }
    }

    public async Task<MembershipTableData> ReadAll()
    {
        // A query over several pages may see rows of two versions: read again until the version has not moved meanwhile.
        while (true)
        {
            TableVersion? version = null;
            var rows = new List<Tuple<MembershipEntry, string>>();
            await foreach (TableEntity entity in table.QueryAsync<TableEntity>(row => row.PartitionKey == clusterId))
            {
                if (entity.RowKey == VersionRow)
                {
                    version = VersionOf(entity);
                }
                else
                {
                    rows.Add(Read(entity));
                }
            }

            TableVersion now = await ReadVersion();
            if (version is not null && now.VersionEtag == version.VersionEtag)
            {
                return new MembershipTableData(rows, version);
            }
        }
    }

    public async Task<MembershipTableData> ReadRow(SiloAddress key)
    {
        NullableResponse<TableEntity> row = await table.GetEntityIfExistsAsync<TableEntity>(clusterId, RowKey(key));
        TableVersion version = await ReadVersion();
        return row.HasValue ? new MembershipTableData(Read(row.Value!), version) : new MembershipTableData(version);
    }

    public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) =>
        ChangeAsync(new TableTransactionAction(TableTransactionActionType.Add, Row(entry)), tableVersion);

    public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) =>
        ChangeAsync(new TableTransactionAction(TableTransactionActionType.UpdateReplace, Row(entry), new ETag(etag)), tableVersion);

    /// <summary>Sign of life: does not raise the version. The row's tag changes, so a change in progress is tried again by its silo.</summary>
    public Task UpdateIAmAlive(MembershipEntry entry) =>
        table.UpdateEntityAsync(new TableEntity(clusterId, RowKey(entry.SiloAddress)) { [Alive] = Text(entry.IAmAliveTime) }, ETag.All, TableUpdateMode.Merge);

    public async Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate)
    {
        MembershipTableData data = await ReadAll();
        foreach ((MembershipEntry entry, string etag) in data.Members.Where(row => row.Item1.Status == SiloStatus.Dead && row.Item1.IAmAliveTime < beforeDate.UtcDateTime))
        {
            await table.DeleteEntityAsync(clusterId, RowKey(entry.SiloAddress), new ETag(etag));
        }
    }

    public async Task DeleteMembershipTableEntries(string clusterId)
    {
        var rows = new List<TableTransactionAction>();
        await foreach (TableEntity entity in table.QueryAsync<TableEntity>(row => row.PartitionKey == clusterId))
        {
            rows.Add(new TableTransactionAction(TableTransactionActionType.Delete, entity, ETag.All));
        }

        foreach (TableTransactionAction[] batch in rows.Chunk(BatchSize))
        {
            await table.SubmitTransactionAsync(batch);
        }
    }

    private async Task<bool> ChangeAsync(TableTransactionAction change, TableVersion version)
    {
        var raise = new TableTransactionAction(
            TableTransactionActionType.UpdateReplace, new TableEntity(clusterId, VersionRow) { [Version] = version.Version }, new ETag(version.VersionEtag));
        try
        {
            await table.SubmitTransactionAsync([change, raise]);
            return true;
        }
        catch (RequestFailedException exception) when (exception.Status is 404 or 409 or 412)
        {
            // The row or the version has moved: the silo reads again and decides anew.
            return false;
        }
    }

    private async Task<TableVersion> ReadVersion() => VersionOf((await table.GetEntityAsync<TableEntity>(clusterId, VersionRow)).Value);

    private TableEntity Row(MembershipEntry entry) => new(clusterId, RowKey(entry.SiloAddress))
    {
        [Entry] = JsonSerializer.Serialize(MembershipRow.From(entry), MembershipJson.Default.MembershipRow),
        [Alive] = Text(entry.IAmAliveTime),
    };

    private static Tuple<MembershipEntry, string> Read(TableEntity entity)
    {
        MembershipEntry entry = JsonSerializer.Deserialize(entity.GetString(Entry), MembershipJson.Default.MembershipRow)!.ToEntry();
        entry.IAmAliveTime = DateTime.Parse(entity.GetString(Alive), CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
        return Tuple.Create(entry, entity.ETag.ToString());
    }

    private static TableVersion VersionOf(TableEntity entity) => new(entity.GetInt32(Version)!.Value, entity.ETag.ToString());

    private static string RowKey(SiloAddress silo) => SiloPrefix + silo.ToParsableString();

    private static string Text(DateTime time) => time.ToString("O", CultureInfo.InvariantCulture);

    private static string FirstLine(Exception exception) => exception.Message.Split('\n')[0].Trim();
}
