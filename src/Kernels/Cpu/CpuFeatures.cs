using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace ServingGrid.Kernels.Cpu;

/// <summary>What the processor can do, including what .NET has no class for.</summary>
internal static class CpuFeatures
{
    /// <summary>AVX-512 as the C# kernels use it.</summary>
    public static bool Avx512 { get; } =
        Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512F.VL.IsSupported;

    public static bool Avx2 { get; } = System.Runtime.Intrinsics.X86.Avx2.IsSupported && Fma.IsSupported;

    /// <summary>AVX-512-VNNI: CPUID leaf 7, ECX bit 11. The system saves the registers if it does for AVX-512F.</summary>
    public static bool Avx512Vnni { get; } = Avx512 && X86Base.IsSupported && (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0;

    /// <summary>Code can be generated: the calling convention and the system calls are those of 64-bit Unix on x86.</summary>
    public static bool CanGenerate { get; } =
        RuntimeInformation.ProcessArchitecture == Architecture.X64 && (OperatingSystem.IsLinux() || OperatingSystem.IsFreeBSD()) && Avx512;

    public static bool Supports(CpuIsa isa) => isa switch
    {
        CpuIsa.Avx512 => Avx512,
        CpuIsa.Avx2 => Avx2,
        _ => true,
    };

    /// <summary>The widest instructions at hand, for <see cref="CpuIsa.Auto"/>.</summary>
    public static CpuIsa Resolve(CpuIsa isa) => isa != CpuIsa.Auto ? isa : Avx512 ? CpuIsa.Avx512 : Avx2 ? CpuIsa.Avx2 : CpuIsa.Portable;

    /// <summary>The processor's name as it gives it itself, or the architecture's.</summary>
    public static string Brand()
    {
        if (!X86Base.IsSupported || (uint)X86Base.CpuId(unchecked((int)0x80000000), 0).Eax < 0x80000004)
        {
            return RuntimeInformation.ProcessArchitecture.ToString();
        }

        Span<int> text = stackalloc int[12];
        for (int i = 0; i < 3; i++)
        {
            (text[4 * i], text[4 * i + 1], text[4 * i + 2], text[4 * i + 3]) = X86Base.CpuId(unchecked((int)0x80000002) + i, 0);
        }

        return System.Text.Encoding.ASCII.GetString(MemoryMarshal.AsBytes(text)).Trim('\0', ' ');
    }
}
