using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ServingGrid.Client.Connections;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>Whether the grid's other silos let this one in. Orleans would go on knocking for minutes. Thread-safe.</summary>
public sealed partial class GridAdmittance(ILogger<GridAdmittance> log)
{
    private readonly TaskCompletionSource<string> _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _started;

    /// <summary>
    /// Starts <paramref name="host"/>. A silo that another one refuses during its start has the wrong secret and ends at once.
    /// </summary>
    /// <exception cref="StartupException">It was refused; one sentence says by whom.</exception>
    public static async Task StartAsync(IHost host)
    {
        Task start = host.StartAsync();
        var admittance = host.Services.GetRequiredService<GridAdmittance>();
        if (await Task.WhenAny(start, admittance._refused.Task) != start)
        {
            throw new StartupException(await admittance._refused.Task);
        }

        await start;
        admittance._started = true;
    }

    /// <summary>What a connection to another silo came to: see <see cref="GridConnections.Prove"/>.</summary>
    internal void Note(ClusterSecretException? refusal)
    {
        if (refusal is null)
        {
            return;
        }

        if (_started)
        {
            LogRefused(refusal.Message);
        }
        else
        {
            _refused.TrySetResult(refusal.Message + ".");
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Sentence}")]
    private partial void LogRefused(string sentence);
}
