using System.Runtime.InteropServices;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>
/// Folders that the test programs have to look for libraries in, on machines that do not have them where the loader looks.
/// </summary>
internal static class DriverFolders
{
    private const string Driver = "libcuda.so.1";

    // Of .NET's cryptography, which xunit names its tests with. A bare Debian has no OpenSSL: the archive brings one along.
    private static readonly string[] OpenSsl = ["libssl.so.3", "libssl.so.1.1"];

    private static readonly string[] WhereDriversAre =
    [
        "/usr/local/nvidia/lib64",
        "/usr/local/nvidia/lib",
        "/usr/lib/x86_64-linux-gnu/nvidia/current",
        "/usr/lib64/nvidia",
        "/usr/lib/nvidia",
        "/usr/lib/wsl/lib",
        "/run/opengl-driver/lib",
    ];

    /// <param name="bundled">Folder of the libraries that came along.</param>
    public static IReadOnlyList<string> Missing(string bundled) =>
    [
        .. Has(Driver) ? [] : WhereDriversAre.Where(folder => File.Exists(Path.Combine(folder, Driver))).Take(1),
        .. OpenSsl.Any(Has) || !Directory.Exists(bundled) ? [] : (string[])[bundled],
    ];

    private static bool Has(string library) => NativeLibrary.TryLoad(library, out _);
}
