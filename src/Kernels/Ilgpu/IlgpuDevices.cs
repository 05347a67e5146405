using System.Globalization;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using IlgpuHardware = ILGPU.Runtime.Device;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>Finds and opens the devices that ILGPU can drive.</summary>
public static class IlgpuDevices
{
    /// <summary>ILGPU's CPU accelerator: correct, hundreds of times slower than the <c>cpu</c> device.</summary>
    public const string CpuAccelerator = "ilgpu-cpu";

    /// <summary>CUDA devices, then OpenCL devices, as their drivers list them. Empty where there is no driver.</summary>
    public static IReadOnlyList<DeviceListing> List()
    {
        using Context context = Build(builder => builder.Cuda().OpenCL());
        return
        [
            .. context.Devices.OfType<CudaDevice>().Select((d, i) => new DeviceListing($"cuda:{i}", d.Name, DeviceKind.Cuda, d.MemorySize)),
            .. context.Devices.OfType<CLDevice>().Select((d, i) => new DeviceListing(
                $"opencl:{i}",
                d.Name,
                d.DeviceType == CLDeviceType.CL_DEVICE_TYPE_GPU ? DeviceKind.OpenClGpu : DeviceKind.OpenClOther,
                d.MemorySize)),
        ];
    }

    /// <summary>Opens <c>cuda:N</c>, <c>opencl:N</c> or <c>ilgpu-cpu</c> and loads the kernels that every model needs.</summary>
    /// <exception cref="DeviceException">There is no such device, or it cannot be opened.</exception>
    public static IlgpuDevice Open(string id)
    {
        if (id == CpuAccelerator)
        {
            return OpenCpu(id, Programs.Lanes.Count, KernelTuning.For(AcceleratorType.CPU));
        }

        string[] parts = id.Split(':');
        if (parts.Length != 2 || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int index))
        {
            throw new DeviceException($"\"{id}\" is not a device name");
        }

        return parts[0] switch
        {
            "cuda" => Open(id, index, Build(builder => builder.Cuda()), context => [.. context.Devices.OfType<CudaDevice>()]),
            "opencl" => Open(id, index, Build(builder => builder.OpenCL()), context => [.. context.Devices.OfType<CLDevice>()]),
            _ => throw new DeviceException($"\"{id}\" is not a device name"),
        };
    }

    /// <summary>The CPU accelerator with warps of a size and launch shapes of choice.</summary>
    internal static IlgpuDevice OpenCpu(string id, int warpSize, KernelTuning tuning)
    {
        // One multiprocessor: its threads are threads of the operating system. 128 serve four warps of 32.
        var hardware = new CPUDevice(warpSize, 128 / warpSize, 1);
        var runtime = new IlgpuRuntime(Build(builder => builder.CPU(hardware)), hardware);
        return new IlgpuDevice(id, runtime, tuning);
    }

    /// <summary>A context that can compile the kernels, with the devices that <paramref name="devices"/> adds.</summary>
    internal static Context Build(Action<Context.Builder> devices)
    {
        DriverLibraries.Register();
        return Context.Create(builder =>
        {
            IlgpuRuntime.Configure(builder);
            devices(builder);
        });
    }

    private static IlgpuDevice Open(string id, int index, Context context, Func<Context, IReadOnlyList<IlgpuHardware>> list)
    {
        IReadOnlyList<IlgpuHardware> found = list(context);
        if (index >= found.Count)
        {
            context.Dispose();
            throw new DeviceException($"there is no {id}: {found.Count} such devices were found");
        }

        var runtime = new IlgpuRuntime(context, found[index]);
        return new IlgpuDevice(id, runtime, KernelTuning.For(found[index].AcceleratorType));
    }
}
