using ServingGrid.Client;
using ServingGrid.Client.Hosting;

namespace ServingGrid.Gateway.Hosting;

/// <summary>The grid of a gateway with <c>--cluster</c>: silos elsewhere, of which it is a client.</summary>
internal static class GridSilos
{
    // A grid that is there answers well within it; one that is not is no reason to keep the operator waiting.
    private static readonly TimeSpan BannerPatience = TimeSpan.FromSeconds(2);

    /// <summary>Adds the client. The gateway starts whether or not a silo is there.</summary>
    public static void Connect(WebApplicationBuilder builder, GatewayOptions options) => builder.Services.AddServingGridClient(
        options.Cluster, client => client.AllowNumericsChange = options.AllowNumericsChange ?? client.AllowNumericsChange);

    /// <summary>What there is of the grid now, for the banner, and one of its models.</summary>
    public static async Task<(string State, string? Model)> DescribeAsync(IServiceProvider services)
    {
        IGridClient grid = services.GetRequiredService<IGridClient>();
        TimeProvider time = services.GetRequiredService<TimeProvider>();
        long start = time.GetTimestamp();
        while (true)
        {
            TimeSpan left = BannerPatience - time.GetElapsedTime(start);
            try
            {
                IReadOnlyList<ModelCard> models = await grid.GetModelsAsync().WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time);
                if (models.Count > 0)
                {
                    return ("serves " + string.Join(", ", models.Select(model => model.Name)), models[0].Name);
                }
            }
            catch (Exception failure) when (failure is GridException or TimeoutException)
            {
                // Said below: /health tells the reason at any time.
            }

            if (left <= TimeSpan.Zero)
            {
                return ("no silo serves a model yet; it is used as soon as one does", null);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), time);
        }
    }
}
