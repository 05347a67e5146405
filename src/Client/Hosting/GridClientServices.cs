using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

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
}
