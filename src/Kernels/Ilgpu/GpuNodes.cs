namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// Whether this machine can have a GPU that a driver would find. On Linux a driver talks to its GPU through a file in /dev: without one, asking OpenCL
/// costs a tenth of a second and the memory of a compiler (POCL, which runs kernels on the processor), to no purpose.
/// </summary>
internal static class GpuNodes
{
    // NVIDIA (also as /dev/nvidia0 in containers), Windows' subsystem for Linux, AMD's compute driver, every driver of the kernel's own, Mali, Adreno, Tegra.
    private static readonly string[] Patterns = ["nvidia*", "dxg", "kfd", "dri", "mali*", "kgsl*", "nvgpu*", "nvhost*"];

    /// <summary>False only where it is certain that there is none.</summary>
    public static bool MayExist { get; } = !OperatingSystem.IsLinux() || Find("/dev");

    /// <summary>Whether a folder has such a file.</summary>
    public static bool Find(string folder) => !Directory.Exists(folder) || Patterns.Any(pattern => Directory.EnumerateFileSystemEntries(folder, pattern).Any());
}
