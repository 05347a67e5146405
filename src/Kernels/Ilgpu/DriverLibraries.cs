using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// Finds the drivers' libraries under the names that machines without development packages have: ILGPU asks for
/// <c>libOpenCL.so</c> and <c>libcuda.so</c>, while drivers install <c>libOpenCL.so.1</c> and <c>libcuda.so.1</c>.
/// </summary>
internal static class DriverLibraries
{
    /// <summary>The library names that ILGPU asks for on Linux.</summary>
    public const string Cuda = "cuda";

    /// <inheritdoc cref="Cuda"/>
    public const string OpenCl = "OpenCL";

    private static readonly Lazy<bool> Registration = new(() =>
    {
        AssemblyLoadContext.GetLoadContext(typeof(ILGPU.Context).Assembly)!.ResolvingUnmanagedDll += (assembly, name) =>
            name is OpenCl or Cuda && NativeLibrary.TryLoad($"lib{name}.so.1", out nint library) ? library : 0;
        return true;
    });

    /// <summary>Whether a driver can be loaded: quick, where building a context takes a good part of a second.</summary>
    public static bool IsPresent(string name)
    {
        string file = OperatingSystem.IsWindows() ? name == Cuda ? "nvcuda.dll" : "OpenCL.dll" : $"lib{name}.so.1";
        return NativeLibrary.TryLoad(file, out _);
    }

    /// <summary>To be called before the first context is built. Any thread, any number of times.</summary>
    public static void Register() => _ = Registration.Value;
}
