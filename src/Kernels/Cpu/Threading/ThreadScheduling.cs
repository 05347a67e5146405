using System.Runtime.InteropServices;

namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>Where and when threads of this process run: sched_setaffinity(2) and sched_setscheduler(2) of Linux; refused elsewhere.</summary>
/// <remarks>Threads are named by the system's ids; 0 is the calling one, and the process's id is its first thread.</remarks>
internal static unsafe partial class ThreadScheduling
{
    private const int MaskBytes = CoreList.MaxCores / 8;
    private const int IdlePolicy = 5;

    /// <summary>Cores that a thread may run on; null if there is no such thread.</summary>
    public static HashSet<int>? CoresOf(int thread)
    {
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        return OperatingSystem.IsLinux() && GetAffinity(thread, MaskBytes, mask) == 0
            ? [.. Enumerable.Range(0, CoreList.MaxCores).Where(core => (mask[core / 8] >> (core % 8) & 1) != 0)]
            : null;
    }

    /// <summary>Ties a thread to some cores. False if the system refuses, or if there is no such thread.</summary>
    public static bool TryTie(int thread, params IEnumerable<int> cores)
    {
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        foreach (int core in cores)
        {
            mask[core / 8] |= (byte)(1 << (core % 8));
        }

        return OperatingSystem.IsLinux() && SetAffinity(thread, MaskBytes, mask) == 0;
    }

    /// <summary>Lets the calling thread run only where no other wants to. False if the system refuses.</summary>
    public static bool TryYieldToAll()
    {
        int priority = 0;
        return OperatingSystem.IsLinux() && SetScheduler(0, IdlePolicy, &priority) == 0;
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nuint bytes, byte* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint bytes, byte* mask);

    [LibraryImport("libc", EntryPoint = "sched_setscheduler")]
    private static partial int SetScheduler(int thread, int policy, int* priority);
}
