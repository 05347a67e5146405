namespace ServingGrid.Kernels;

/// <summary>What drives a device.</summary>
public enum DeviceKind
{
    Cuda,
    OpenClGpu,

    /// <summary>OpenCL on something that is no GPU: never chosen by itself.</summary>
    OpenClOther,

    /// <summary>SIMD kernels on this machine's processor.</summary>
    Cpu,

    /// <summary>ILGPU's CPU accelerator, for tests.</summary>
    IlgpuCpu,
}

/// <summary>A device that could be opened.</summary>
/// <param name="Id">What <c>--device</c> takes.</param>
/// <param name="Name">The hardware's own name.</param>
/// <param name="Kind">What drives it.</param>
/// <param name="MemoryBytes">Its memory, 0 when it shares the host's.</param>
public sealed record DeviceListing(string Id, string Name, DeviceKind Kind, long MemoryBytes);
