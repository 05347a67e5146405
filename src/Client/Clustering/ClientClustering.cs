using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Messaging;

namespace ServingGrid.Client.Clustering;

/// <summary>How an external client finds the grid.</summary>
public static class ClientClustering
{
    /// <summary>Connects to the grid that <paramref name="cluster"/> names, and goes on connecting when it is not there yet.</summary>
    public static IClientBuilder UseServingGridCluster(this IClientBuilder client, ClusterStore cluster)
    {
        client.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (cluster.ClusterId, "servinggrid"));
        client.UseConnectionRetryFilter(async (_, cancellation) =>
        {
            // A gateway that starts before the first silo waits for it; its host's own deadline ends the wait.
            await Task.Delay(TimeSpan.FromMilliseconds(500), cancellation);
            return true;
        });
        client.Configure<GatewayOptions>(options => options.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2));
        return cluster.Kind switch
        {
            ClusterKind.Local => client.UseLocalhostClustering(serviceId: "servinggrid", clusterId: cluster.ClusterId),
            ClusterKind.File => client.UseFileClustering(cluster),
            _ => throw new ClusterStoreException($"Clusters of kind {cluster.Kind} are not built into this version."),
        };
    }

    private static IClientBuilder UseFileClustering(this IClientBuilder client, ClusterStore cluster)
    {
        client.Services.AddSingleton(new MembershipDatabase(cluster.Connection, cluster.ClusterId));
        client.Services.AddSingleton<IGatewayListProvider, FileGatewayListProvider>();
        return client;
    }
}
