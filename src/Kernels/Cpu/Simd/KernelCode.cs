using System.Runtime.CompilerServices;

namespace ServingGrid.Kernels.Cpu.Simd;

/// <summary>How the processor's kernels are compiled.</summary>
internal static class KernelCode
{
    /// <summary>
    /// Well, at the first call. What is generic over vectors cannot be compiled ahead of time, so .NET would compile it without any optimisation first, each
    /// vector operation a call, and better only when it has been used for a while: a server's first prompts took four times as long as its later ones.
    /// For methods with a loop over numbers that no caller inlines.
    /// </summary>
    public const MethodImplOptions Optimized = MethodImplOptions.AggressiveOptimization;
}
