namespace ServingGrid.Kernels.Cpu;

/// <summary>Which vector instructions the kernels written in C# use.</summary>
public enum CpuIsa
{
    /// <summary>The widest that the processor has.</summary>
    Auto,

    /// <summary>128-bit vectors in portable form: any processor, also ARM.</summary>
    Portable,

    /// <summary>256-bit AVX2 and FMA.</summary>
    Avx2,

    /// <summary>512-bit AVX-512 (F, BW, DQ, VL).</summary>
    Avx512,
}

/// <summary>How a <see cref="CpuDevice"/> uses the machine.</summary>
public sealed record CpuDeviceOptions
{
    /// <summary>Most threads that a device accepts.</summary>
    public const int MaxThreads = 512;

    /// <summary>Environment variable that turns generated code off when it is "1".</summary>
    public const string NoJitVariable = "SERVINGGRID_NO_JIT";

    /// <summary>
    /// Threads that compute, the caller's included: 1 … <see cref="MaxThreads"/>; 0 means one for each of <see cref="Cores"/>, or of the machine's cores.
    /// </summary>
    public int Threads { get; init; }

    /// <summary>Vector instructions; more than the processor has is refused by <see cref="CpuDevice.Create"/>.</summary>
    public CpuIsa Isa { get; init; } = CpuIsa.Auto;

    /// <summary>
    /// Whether inner kernels may be assembled at start (AVX-512-VNNI, which .NET does not expose). Used where processor and
    /// system allow it; false when <see cref="NoJitVariable"/> is "1".
    /// </summary>
    public bool GeneratedCode { get; init; } = Environment.GetEnvironmentVariable(NoJitVariable) != "1";

    /// <summary>
    /// Compute threads run one on each of these cores, in order, and every other thread of the process stays off them if it has other cores. Empty: where the
    /// system puts them. Linux; refused elsewhere.
    /// </summary>
    public IReadOnlyList<int> Cores { get; init; } = [];

    /// <summary>How the compute threads compete with others.</summary>
    public ComputePriority Priority { get; init; }

    /// <summary>Throws <see cref="ArgumentException"/> with one sentence if a value is out of range.</summary>
    public void Validate()
    {
        if (Threads is < 0 or > MaxThreads)
        {
            throw new ArgumentException($"{Threads} threads: must be 0 (one for each core) to {MaxThreads}");
        }

        if (Cores.Count > 0 && Threads > Cores.Count)
        {
            throw new ArgumentException($"{Threads} threads do not fit on {Cores.Count} compute cores");
        }

        if (!Enum.IsDefined(Isa) || !CpuFeatures.Supports(Isa))
        {
            throw new ArgumentException($"this processor does not support {Isa} instructions");
        }
    }
}
