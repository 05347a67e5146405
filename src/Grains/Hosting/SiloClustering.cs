using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using ServingGrid.Client.Clustering;
using StackExchange.Redis;

namespace ServingGrid.Grains.Hosting;

/// <summary>How a silo finds the others, and how soon it notices that one is gone.</summary>
public static class SiloClustering
{
    // A silo has an address that names it, whether or not anything listens there.
    private static readonly SiloEndpoints Nowhere = new(IPAddress.Loopback, EndpointOptions.DEFAULT_SILO_PORT, 0);

    /// <summary>Joins the grid that <paramref name="cluster"/> names. In a grid of one process nothing of Orleans listens.</summary>
    /// <param name="silo">The silo.</param>
    /// <param name="cluster">Where its members meet.</param>
    /// <param name="endpoints">Address and ports; null: loopback and free ports.</param>
    /// <exception cref="ClusterStoreException">The membership store cannot be used.</exception>
    public static ISiloBuilder UseServingGridCluster(this ISiloBuilder silo, ClusterStore cluster, SiloEndpoints? endpoints = null)
    {
        endpoints = cluster.Kind == ClusterKind.Local ? Nowhere : endpoints ?? SiloEndpoints.FreeOnLoopback();
        silo.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (cluster.ClusterId, "servinggrid"));
        silo.Configure<EndpointOptions>(options =>
        {
            options.AdvertisedIPAddress = endpoints.Address;
            options.SiloPort = endpoints.SiloPort;
            options.GatewayPort = endpoints.GatewayPort;
        });
        silo.Configure<ClusterMembershipOptions>(DetectFailures);
        if (cluster.Kind == ClusterKind.Local)
        {
            silo.ListenNowhere();
        }
        else
        {
            silo.GuardConnections(cluster.Secret);
        }

        switch (cluster.Kind)
        {
            case ClusterKind.Local:
                silo.UseLocalhostClustering(endpoints.SiloPort, endpoints.GatewayPort, serviceId: "servinggrid", clusterId: cluster.ClusterId);
                break;
            case ClusterKind.File:
                MembershipDatabase database = new(cluster.Connection, cluster.ClusterId);

                // Now, so that an unusable file ends the start with one sentence instead of a silo's log.
                database.Initialize();
                silo.Services.AddSingleton<IMembershipTable>(new FileMembershipTable(database));
                break;
            case ClusterKind.AzureTable:
#if AZURE_STORAGE_CLUSTERING
                Azure.Data.Tables.TableServiceClient service = AzureTableStore.Open(cluster.Connection);
                silo.UseAzureStorageClustering(options => options.TableServiceClient = service);
#else
                silo.Services.AddSingleton<IMembershipTable>(AzureTableStore.Membership(cluster));
#endif
                break;
            case ClusterKind.Redis:
                ConfigurationOptions redis = RedisStore.Parse(cluster.Connection);
                silo.UseRedisClustering(options => options.ConfigurationOptions = redis);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(cluster), cluster.Kind, "not a kind of cluster");
        }

        return silo;
    }

    /// <summary>
    /// A killed silo is out within a second, a frozen one within about three; the defaults take twelve. Short probes are affordable
    /// because control messages are small: KV blocks have connections of their own.
    /// </summary>
    private static void DetectFailures(ClusterMembershipOptions options)
    {
        options.ProbeTimeout = TimeSpan.FromSeconds(1);
        options.MinProbeTimeout = TimeSpan.FromSeconds(0.5);
        options.MaxProbeTimeout = TimeSpan.FromSeconds(1);
        options.NumMissedProbesLimit = 2;
        options.NumVotesForDeathDeclaration = 2;
        options.TableRefreshTimeout = TimeSpan.FromSeconds(5);
        options.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
    }
}

/// <summary>Where a silo listens.</summary>
/// <param name="Address">Address that others reach it at.</param>
/// <param name="SiloPort">For silos.</param>
/// <param name="GatewayPort">For clients.</param>
public sealed record SiloEndpoints(IPAddress Address, int SiloPort, int GatewayPort)
{
    /// <summary>Two free ports of the loopback interface.</summary>
    public static SiloEndpoints FreeOnLoopback() => Free(IPAddress.Loopback);

    /// <summary>Free ports at an address. Both are held until both are known, so that they differ.</summary>
    public static SiloEndpoints Free(IPAddress address)
    {
        using TcpListener first = new(address, 0);
        using TcpListener second = new(address, 0);
        first.Start();
        second.Start();
        return new SiloEndpoints(address, ((IPEndPoint)first.LocalEndpoint).Port, ((IPEndPoint)second.LocalEndpoint).Port);
    }
}
