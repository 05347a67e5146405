using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Messaging;
using ServingGrid.Client.Connections;
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

        // Orleans says of a silo that has refused this client only that it could not be connected to.
        ClusterSecretException? refused = null;
        client.UseConnectionRetryFilter(async (failure, cancellation) =>
        {
            onFailure?.Invoke(Volatile.Read(ref refused) ?? failure);

            // A gateway that starts before the first silo waits for it; its host's own deadline ends the wait.
            await Task.Delay(TimeSpan.FromMilliseconds(500), cancellation);
            return true;
        });
        client.Services.TryAddSingleton(TimeProvider.System);
        client.Services.AddOptions<ClientConnectionOptions>().Configure<TimeProvider>((options, time) => options.ConfigureConnection(
            connections => GridConnections.Prove(connections, cluster.Secret, time, outcome => Volatile.Write(ref refused, outcome))));
        client.Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(1));
        return cluster.Kind switch
        {
            ClusterKind.File => client.UseFile(new MembershipDatabase(cluster.Connection, cluster.ClusterId)),
            ClusterKind.AzureTable => client.UseAzureTable(cluster),
            ClusterKind.Redis => client.UseRedis(RedisStore.Parse(cluster.Connection)),
            _ => throw new ArgumentOutOfRangeException(nameof(cluster), cluster.Kind, "not a grid of several processes"),
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
