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
    /// <param name="warn">Told, in one sentence, about a driver that is there but fails.</param>
    public static IReadOnlyList<DeviceListing> List(Action<string>? warn = null) =>
    [
        .. Found(DriverLibraries.Cuda, builder => builder.Cuda(), warn).Select((d, i) => new DeviceListing($"cuda:{i}", d.Name, DeviceKind.Cuda, d.MemorySize)),
        .. Found(DriverLibraries.OpenCl, builder => builder.OpenCL(), warn).Select((d, i) => new DeviceListing(
            $"opencl:{i}",
            d.Name,
            ((CLDevice)d).DeviceType == CLDeviceType.CL_DEVICE_TYPE_GPU ? DeviceKind.OpenClGpu : DeviceKind.OpenClOther,
            d.MemorySize)),
    ];

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
            throw new DeviceException("there is no such name");
        }

        return parts[0] switch
        {
            "cuda" => Open(id, index, builder => builder.Cuda()),
            "opencl" => Open(id, index, builder => builder.OpenCL()),
            _ => throw new DeviceException("there is no such name"),
        };
    }

    /// <summary>The CPU accelerator with warps of a size and launch shapes of choice.</summary>
    internal static IlgpuDevice OpenCpu(string id, int warpSize, KernelTuning tuning)
    {
        // One multiprocessor: its threads are threads of the operating system. 128 serve four warps of 32.
        var hardware = new CPUDevice(warpSize, 128 / warpSize, 1);
        return Create(id, Build(builder => builder.CPU(hardware)), hardware, tuning);
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

    private static IReadOnlyList<IlgpuHardware> Found(string driver, Action<Context.Builder> devices, Action<string>? warn)
    {
        if (!DriverLibraries.IsPresent(driver))
        {
            return [];
        }

        try
        {
            using Context context = Build(devices);
            return [.. context.Devices.Where(d => d.AcceleratorType != AcceleratorType.CPU)];
        }
        catch (AcceleratorException e)
        {
            warn?.Invoke($"the {driver} driver does not list its devices: {IlgpuRuntime.Reason(e)}");
            return [];
        }
    }

    private static IlgpuDevice Open(string id, int index, Action<Context.Builder> devices)
    {
        string driver = id.Split(':')[0];
        Context context;
        try
        {
            context = Build(devices);
        }
        catch (AcceleratorException e)
        {
            throw new DeviceException($"the {driver} driver does not list its devices: {IlgpuRuntime.Reason(e)}", e);
        }

        IReadOnlyList<IlgpuHardware> found = [.. context.Devices.Where(d => d.AcceleratorType != AcceleratorType.CPU)];
        if (index >= found.Count)
        {
            context.Dispose();
            throw new DeviceException(found.Count == 0 ? $"no {driver} device was found" : $"there are {found.Count} of them, counted from 0");
        }

        return Create(id, context, found[index], KernelTuning.For(found[index].AcceleratorType));
    }

    /// <summary>Opens the hardware; the context is the device's, or gone if that fails.</summary>
    private static IlgpuDevice Create(string id, Context context, IlgpuHardware hardware, KernelTuning tuning)
    {
        var runtime = new IlgpuRuntime(context, hardware);
        try
        {
            return new IlgpuDevice(id, runtime, tuning);
        }
        catch
        {
            runtime.Dispose();
            throw;
        }
    }
}
