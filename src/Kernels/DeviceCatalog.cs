using System.Globalization;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Kernels;

/// <summary>What <c>--device</c> takes and <c>--list-devices</c> prints. Stateless; safe from any thread.</summary>
public static class DeviceCatalog
{
    /// <summary>The first CUDA device, else the first OpenCL GPU, else <see cref="Cpu"/>.</summary>
    public const string Auto = "auto";

    /// <summary>SIMD kernels on this machine's processor.</summary>
    public const string Cpu = "cpu";

    private static readonly Lazy<string> Best = new(() => Gpus(warn: null) is [var gpu, ..] ? gpu.Id : Cpu);

    /// <summary>Every device that can be named here, best first.</summary>
    /// <param name="warn">Told, in one sentence, about a driver that is there but fails.</param>
    public static IReadOnlyList<DeviceListing> List(Action<string>? warn = null) =>
    [
        .. IlgpuDevices.List(warn).OrderBy(d => d.Kind),
        new DeviceListing(Cpu, CpuFeatures.Brand(), DeviceKind.Cpu, 0),
        new DeviceListing(IlgpuDevices.CpuAccelerator, "ILGPU's CPU accelerator: the GPU's kernels, hundreds of times slower than cpu", DeviceKind.IlgpuCpu, 0),
    ];

    /// <summary>One line for each device: name, hardware, memory.</summary>
    public static string Print(IEnumerable<DeviceListing> devices) => string.Join(
        Environment.NewLine,
        devices.Select(d => string.Create(CultureInfo.InvariantCulture, $"{d.Id,-12} {d.Name}{(d.MemoryBytes > 0 ? $", {d.MemoryBytes / (double)(1 << 30):F1} GiB" : "")}")));

    /// <summary>What <see cref="Auto"/> stands for on this machine, looked up once; other names are their own.</summary>
    public static string Resolve(string id) => id == Auto ? Best.Value : id;

    /// <summary>Opens a device by name.</summary>
    /// <param name="id"><c>auto</c>, <c>cpu</c>, <c>cuda:N</c>, <c>opencl:N</c> or <c>ilgpu-cpu</c>.</param>
    /// <param name="cpu">How the <c>cpu</c> device uses the machine.</param>
    /// <param name="warn">Told, in one sentence, about each device that <c>auto</c> passed over although it was found.</param>
    /// <exception cref="DeviceException">No such device, or it cannot be used: one sentence that names the usable ones.</exception>
    public static Device Open(string id, CpuDeviceOptions? cpu = null, Action<string>? warn = null)
    {
        switch (id)
        {
            case Auto:
                return OpenBest(cpu, warn);
            case Cpu:
                return CpuDevice.Create(cpu);
            default:
                try
                {
                    return IlgpuDevices.Open(id);
                }
                catch (DeviceException e)
                {
                    string usable = string.Join(", ", List().Select(d => d.Id).Where(usable => usable != id).Prepend(Auto));
                    throw new DeviceException($"device {id} cannot be used ({e.Message}); usable here: {usable}", e);
                }
        }
    }

    // An OpenCL device that is no GPU is slower than the SIMD kernels: where there can be none but those, no time is spent on listing them.
    private static IReadOnlyList<DeviceListing> Gpus(Action<string>? warn) => GpuNodes.MayExist
        ? [.. IlgpuDevices.List(warn).Where(d => d.Kind is DeviceKind.Cuda or DeviceKind.OpenClGpu).OrderBy(d => d.Kind)]
        : [];

    private static Device OpenBest(CpuDeviceOptions? cpu, Action<string>? warn)
    {
        foreach (DeviceListing found in Gpus(warn))
        {
            try
            {
                return IlgpuDevices.Open(found.Id);
            }
            catch (DeviceException e)
            {
                warn?.Invoke($"device {found.Id} ({found.Name}) is passed over: {e.Message}");
            }
        }

        return CpuDevice.Create(cpu);
    }
}
