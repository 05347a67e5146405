using System.Runtime.Intrinsics.X86;

namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>Asks for memory that will be read soon. A hint: any address is allowed, and nothing waits.</summary>
internal static unsafe class Prefetch
{
    /// <summary>What a core can have under way at a time, with some to spare.</summary>
    public const long Burst = 4096;

    public static void Lines(byte* first, long bytes)
    {
        if (Sse.IsSupported)
        {
            for (byte* line = first; line < first + bytes; line += 64)
            {
                Sse.Prefetch0(line);
            }
        }
    }
}
