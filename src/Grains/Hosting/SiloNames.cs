using ServingGrid.Grains.Grid;

namespace ServingGrid.Grains.Hosting;

/// <summary>Names of silos: readable, and unique without asking anyone.</summary>
public static class SiloNames
{
    /// <summary>"host-decode-3f9a01".</summary>
    public static string New(DeviceRole role) =>
        $"{Environment.MachineName}-{role}-{Random.Shared.Next(1 << 24):x6}".ToLowerInvariant();
}
