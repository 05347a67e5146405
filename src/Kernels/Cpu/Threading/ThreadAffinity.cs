using System.Runtime.InteropServices;

namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>Ties the calling thread to one core, on Linux.</summary>
internal static unsafe partial class ThreadAffinity
{
    private const int MaskBytes = 128;

    /// <summary>False if the system refuses (a container may own fewer cores than it shows).</summary>
    public static bool TryPin(int core)
    {
        if (!OperatingSystem.IsLinux() || core >= MaskBytes * 8)
        {
            return false;
        }

        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        mask[core / 8] = (byte)(1 << (core % 8));
        return SetAffinity(0, MaskBytes, mask) == 0;
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint bytes, byte* mask);
}
