using System.Runtime.InteropServices;

namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>
/// Hands out the numbers 0, 1, 2, … to competing workers. Who gets which does not change any result, so work may be shared by
/// whoever is free: a core that is busy elsewhere delays only its own share.
/// </summary>
/// <remarks>Alone on its cache lines: other fields would be slowed by every increment.</remarks>
[StructLayout(LayoutKind.Explicit, Size = 192)]
internal struct WorkCounter
{
    [FieldOffset(64)]
    private int _next;

    public void Reset() => Volatile.Write(ref _next, 0);

    public int Next() => Interlocked.Increment(ref _next) - 1;
}
