using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Messaging;
using StackExchange.Redis;

namespace ServingGrid.Client.Clustering;

/// <summary>How an external client finds the grid.</summary>
public static class ClientClustering
{
    /// <summary>Connects to the grid that <paramref name="cluster"/> names, and goes on connecting when it is not there yet.</summary>
    /// <param name="client">The client.</param>
    /// <param name="cluster">Where the grid's members meet.</param>
    /// <param name="onFailure">Told why an attempt to connect has failed.</param>
    /// <exception cref="ClusterStoreException">The membership store cannot be used as it is configured.</exception>
    public static IClientBuilder UseServingGridCluster(this IClientBuilder client, ClusterStore cluster, Action<Exception>? onFailure = null)
    {
        client.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (cluster.ClusterId, "servinggrid"));
        client.UseConnectionRetryFilter(async (failure, cancellation) =>
        {
            onFailure?.Invoke(failure);

            // A gateway that starts before the first silo waits for it; its host's own deadline ends the wait.
            await Task.Delay(TimeSpan.FromMilliseconds(500), cancellation);
            return true;
        });
        client.Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(1));
        return cluster.Kind switch
        {
            ClusterKind.Local => client.UseLocalhostClustering(serviceId: "servinggrid", clusterId: cluster.ClusterId),
            ClusterKind.File => client.UseFile(new MembershipDatabase(cluster.Connection, cluster.ClusterId)),
            ClusterKind.AzureTable => client.UseAzureTable(cluster),
            ClusterKind.Redis => client.UseRedis(RedisStore.Parse(cluster.Connection)),
            _ => throw new ArgumentOutOfRangeException(nameof(cluster), cluster.Kind, "not a kind of cluster"),
        };
    }

    private static IClientBuilder UseFile(this IClientBuilder client, MembershipDatabase database)
    {
        // Now, so that an unusable file ends the start with one sentence instead of attempts without end.
        database.Initialize();
        return client.UseMembershipTable(new FileMembershipTable(database));
    }

    private static IClientBuilder UseRedis(this IClientBuilder client, ConfigurationOptions redis) =>
        client.UseRedisClustering(options => options.ConfigurationOptions = redis);

    private static IClientBuilder UseAzureTable(this IClientBuilder client, ClusterStore cluster)
    {
#if AZURE_STORAGE_CLUSTERING
        Azure.Data.Tables.TableServiceClient service = AzureTableStore.Open(cluster.Connection);
        return client.UseAzureStorageClustering(options => options.TableServiceClient = service);
#else
        return client.UseMembershipTable(AzureTableStore.Membership(cluster));
#endif
    }

    private static IClientBuilder UseMembershipTable(this IClientBuilder client, IMembershipTable table)
    {
        client.Services.AddSingleton(table);
        client.Services.AddSingleton<IGatewayListProvider, TableGatewayListProvider>();
        return client;
    }
}
