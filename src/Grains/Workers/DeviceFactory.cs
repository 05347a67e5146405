using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;

namespace ServingGrid.Grains.Workers;

/// <summary>Devices by the names that operators use.</summary>
public static class DeviceFactory
{
    /// <summary>Names of the devices that this machine has, the fastest first.</summary>
    public static IReadOnlyList<string> List() => ["cpu"];

    /// <summary>The device that "auto" stands for; other names are their own.</summary>
    public static string Resolve(string name) => name == "auto" ? List()[0] : name;

    /// <summary>Creates a device.</summary>
    /// <param name="name">One of <see cref="List"/>, or "auto" for the fastest.</param>
    /// <param name="threads">Threads of a CPU device; 0: one for each core.</param>
    /// <exception cref="StartupException">There is no such device here.</exception>
    public static Device Create(string name, int threads) => Resolve(name) switch
    {
        "cpu" => CpuDevice.Create(new CpuDeviceOptions { Threads = threads }),
        _ => throw new StartupException($"There is no device '{name}' here: {string.Join(", ", List())} can be used."),
    };
}
