using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using ServingGrid.Client.Clustering;

namespace ServingGrid.Client.Hosting;

/// <summary>Registration of the SDK.</summary>
public static class GridClientServices
{
    /// <summary>
    /// Adds <see cref="IGridClient"/> over the Orleans client of this process: that of <c>UseOrleansClient</c>, or of an embedded silo.
    /// </summary>
    public static IServiceCollection AddServingGridClient(this IServiceCollection services, Action<GridClientOptions>? configure = null)
    {
        services.AddOptions<GridClientOptions>().Configure(options => configure?.Invoke(options)).ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<GridClientOptions>, GridClientOptionsValidator>());
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IGridClient, GridClient>();
        return services;
    }

    /// <summary>
    /// Adds <see cref="IGridClient"/> of the grid that <paramref name="cluster"/> names, for a process without a silo. The host starts
    /// whether or not a silo is there; until one is, calls end in <see cref="GridError.Unavailable"/>. It reconnects by itself.
    /// </summary>
    public static IServiceCollection AddServingGridClient(this IServiceCollection services, ClusterStore cluster, Action<GridClientOptions>? configure = null)
    {
        services.TryAddSingleton(cluster);
        services.TryAddSingleton<GridConnection>();
        services.AddHostedService(provider => provider.GetRequiredService<GridConnection>());
        services.TryAddSingleton<IGridClient, ConnectingGridClient>();
        return services.AddServingGridClient(configure);
    }
}
