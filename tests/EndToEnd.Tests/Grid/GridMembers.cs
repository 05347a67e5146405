using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ServingGrid.Grains.Grid;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>What the grid says of its members to a client.</summary>
internal static class GridMembers
{
    /// <summary>Waits until membership counts so many silos as active and every one of them reports its device.</summary>
    /// <returns>How long that took.</returns>
    public static async Task<TimeSpan> WaitForMembersAsync(this IHost client, int members, TimeSpan patience, string model = "grid-tiny")
    {
        long start = Stopwatch.GetTimestamp();
        string last = "nothing yet";
        while (Stopwatch.GetElapsedTime(start) < patience)
        {
            try
            {
                (int silos, string[] devices) = await ReadAsync(client, model).WaitAsync(TimeSpan.FromSeconds(2));
                if (silos == members && devices.Length == members)
                {
                    return Stopwatch.GetElapsedTime(start);
                }

                last = $"{silos} active silos, devices {string.Join(", ", devices)}";
            }
            catch (Exception exception) when (exception is OrleansException or TimeoutException or OperationCanceledException)
            {
                // The silo that was asked is the one that is gone.
                last = exception.Message;
            }

            await Task.Delay(50);
        }

        throw new TimeoutException($"The grid does not have {members} members after {patience}; last: {last}");
    }

    private static async Task<(int Silos, string[] Devices)> ReadAsync(IHost client, string model)
    {
        var grains = client.Services.GetRequiredService<IGrainFactory>();
        Dictionary<SiloAddress, SiloStatus> hosts = await grains.GetGrain<IManagementGrain>(0).GetHosts(onlyActive: true);
        GridUpdate state = await grains.GetGrain<IGridStateGrain>(model).Exchange(null, Guid.Empty, 0);
        return (hosts.Count, [.. state.Devices.Select(entry => entry.Device.Id)]);
    }
}
