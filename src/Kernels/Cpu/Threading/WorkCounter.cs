using System.Runtime.InteropServices;

namespace ServingGrid.Kernels.Cpu.Threading;

/// <summary>Hands out the numbers 0, 1, 2, … to competing workers.</summary>
/// <remarks>Alone on its cache lines: other fields would be slowed by every increment.</remarks>
[StructLayout(LayoutKind.Explicit, Size = 192)]
internal struct WorkCounter
{
    [FieldOffset(64)]
    private int _next;

    /// <summary>The next number will be 0.</summary>
    public void Reset() => Volatile.Write(ref _next, 0);

    public int Next() => Interlocked.Increment(ref _next) - 1;

    /// <summary>The number that would come next now.</summary>
    public int Peek() => Volatile.Read(ref _next);
}
