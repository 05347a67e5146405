using Azure.Core;
using Azure.Data.Tables;
using Azure.Identity;

namespace ServingGrid.Client.Clustering;

/// <summary>
/// Opens the table that a grid's members meet in. <c>azure-table:</c> is followed by a connection string, or by the account's
/// address (https://ACCOUNT.table.core.windows.net), which is opened with the machine's managed identity.
/// </summary>
internal static class AzureTableStore
{
    /// <summary>Name of the table.</summary>
    public const string TableName = "ServingGridMembership";

    /// <summary>The members of one grid.</summary>
    /// <exception cref="ClusterStoreException">The connection makes no sense.</exception>
    public static AzureTableMembership Membership(ClusterStore cluster) => new(Open(cluster.Connection).GetTableClient(TableName), cluster.ClusterId);

    /// <exception cref="ClusterStoreException">The connection makes no sense.</exception>
    public static TableServiceClient Open(string connection)
    {
        // A silo decides about others within seconds: an operation that takes longer is tried again by Orleans, with what it knows then.
        var options = new TableClientOptions
        {
            Retry = { MaxRetries = 3, Mode = RetryMode.Exponential, Delay = TimeSpan.FromMilliseconds(200), NetworkTimeout = TimeSpan.FromSeconds(5) },
        };
        try
        {
            return Uri.TryCreate(connection, UriKind.Absolute, out Uri? account) && account.Scheme is "https" or "http"
                ? new TableServiceClient(account, new DefaultAzureCredential(), options)
                : new TableServiceClient(connection, options);
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or InvalidOperationException)
        {
            // The message must not repeat the connection: it holds a key.
            throw new ClusterStoreException("What follows 'azure-table:' is neither a connection string nor the address of a storage account.", exception);
        }
    }
}
