using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// Finds the drivers' libraries under the names that machines without development packages have: ILGPU asks for
/// <c>libOpenCL.so</c> and <c>libcuda.so</c>, while drivers install <c>libOpenCL.so.1</c> and <c>libcuda.so.1</c>.
/// </summary>
internal static class DriverLibraries
{
    private static readonly Lazy<bool> Registration = new(() =>
    {
        AssemblyLoadContext.GetLoadContext(typeof(ILGPU.Context).Assembly)!.ResolvingUnmanagedDll += (assembly, name) =>
            name is "OpenCL" or "cuda" && NativeLibrary.TryLoad($"lib{name}.so.1", out nint library) ? library : 0;
        return true;
    });

    /// <summary>To be called before the first context is built. Any thread, any number of times.</summary>
    public static void Register() => _ = Registration.Value;
}
