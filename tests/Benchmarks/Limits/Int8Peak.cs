using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace ServingGrid.Benchmarks.Limits;

/// <summary>
/// Operations per second of <c>vpdpbusd</c> (a multiply-accumulate is two) from registers alone. .NET has no name for the
/// 512-bit form, so the loop is assembled here.
/// </summary>
internal static unsafe partial class Int8Peak
{
    private const int Steps = 10_000_000;
    private const int Chains = 12;
    private const int OperationsPerInstruction = 64 * 2;
    private const nuint PageBytes = 4096;
    private const int Read = 1, Write = 2, Execute = 4, PrivateAnonymous = 0x22;

    /// <summary>On 64-bit Linux with AVX512-VNNI.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux() && X86Base.X64.IsSupported && Avx512F.IsSupported && HasVnni();

    /// <summary>GOP/s</summary>
    public static double Measure(int threads)
    {
        byte[] code = Assemble();
        byte* page = Map(null, PageBytes, Read | Write, PrivateAnonymous, -1, 0);
        if ((nint)page == -1)
        {
            throw new InvalidOperationException($"No memory for code: error {Marshal.GetLastPInvokeError()}");
        }

        try
        {
            code.CopyTo(new Span<byte>(page, (int)PageBytes));
            if (Protect(page, PageBytes, Read | Execute) != 0)
            {
                throw new InvalidOperationException($"Code may not be run: error {Marshal.GetLastPInvokeError()}");
            }

            var run = (delegate* unmanaged<long, void>)page;
            double seconds = ParallelLoop.BestSeconds(threads, 3, _ => run(Steps));
            return (double)threads * Steps * Chains * OperationsPerInstruction / seconds / 1e9;
        }
        finally
        {
            _ = Unmap(page, PageBytes);
        }
    }

    // rdi: how often. Volatile registers only, by the System V convention.
    private static byte[] Assemble()
    {
        var a = new Assembler(64);
        AssemblerRegisterZMM[] accumulators = [zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11];
        Label loop = a.CreateLabel();
        a.vpxorq(zmm30, zmm30, zmm30);
        a.Label(ref loop);
        foreach (AssemblerRegisterZMM accumulator in accumulators)
        {
            a.vpdpbusd(accumulator, zmm30, zmm30);
        }

        a.dec(rdi);
        a.jnz(loop);
        a.vzeroupper();
        a.ret();
        using var stream = new MemoryStream();
        a.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }

    // CPUID leaf 7, ECX bit 11.
    private static bool HasVnni() => (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial byte* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(void* address, nuint length);
}
