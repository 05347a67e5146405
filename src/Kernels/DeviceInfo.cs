namespace ServingGrid.Kernels;

/// <summary>What a device is, for logs, the status page and the router.</summary>
/// <param name="Id">As the user names it: "cpu", "cuda:0", "opencl:0", "ilgpu-cpu".</param>
/// <param name="Name">Marketing name of the hardware ("AMD EPYC", "NVIDIA H100").</param>
/// <param name="Kernels">Which kernels were chosen at start ("avx512-vnni, 2 threads", "ptx sm_90").</param>
/// <param name="MemoryBytes">Memory that the device may use, in bytes; 0 when unknown.</param>
/// <param name="Numerics">Names its arithmetic: see <see cref="NumericsClass"/>. The same for as long as the device lives.</param>
public sealed record DeviceInfo(string Id, string Name, string Kernels, long MemoryBytes, string Numerics);

/// <summary>The device has failed in a way that more calls cannot mend (lost, out of memory): it leaves service.</summary>
public sealed class DeviceException(string message, Exception? inner = null) : Exception(message, inner);
