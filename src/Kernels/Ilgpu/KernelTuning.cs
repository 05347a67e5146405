using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// Launch shapes of one kind of device. They decide speed alone: which thread computes what, never the order of a sum — except
/// <see cref="NormThreads"/>, which is fixed for a device and so for all its rows.
/// </summary>
internal sealed record KernelTuning
{
    /// <summary>Warps (rows of 32 threads) in a group of a matrix product: at most 4.</summary>
    public required int Warps { get; init; }

    /// <summary>Outputs that a warp of the vector form computes, even, at most 32 / <see cref="Warps"/>: few for many warps, many to share a barrier.</summary>
    public required int OutputsPerWarp { get; init; }

    /// <summary>Fewest input rows for which the tiled form is used.</summary>
    public required int TileFromRows { get; init; }

    /// <summary>Warps that share the keys and values of one prompt chunk: at most 4.</summary>
    public required int AttentionWarps { get; init; }

    /// <summary>Threads of a norm's group: a multiple of 32, at most 256.</summary>
    public required int NormThreads { get; init; }

    /// <summary>Threads of element-wise kernels and of candidate selection: a power of two, at most 256.</summary>
    public required int Threads { get; init; }

    /// <summary>Logits that each thread of a selecting group looks through: few for many groups, many for few rounds.</summary>
    public required int LogitsPerThread { get; init; }

    public static KernelTuning For(AcceleratorType type) => type switch
    {
        AcceleratorType.Cuda => new() { Warps = 4, OutputsPerWarp = 2, TileFromRows = 2, AttentionWarps = 4, NormThreads = 256, Threads = 256, LogitsPerThread = 8 },
        AcceleratorType.OpenCL => new() { Warps = 4, OutputsPerWarp = 4, TileFromRows = 2, AttentionWarps = 4, NormThreads = 128, Threads = 128, LogitsPerThread = 8 },

        // Threads of the CPU accelerator are threads of the operating system and a barrier costs as much as a long row: small
        // groups, and as much work between two barriers as there can be.
        _ => new() { Warps = 1, OutputsPerWarp = 32, TileFromRows = int.MaxValue, AttentionWarps = 1, NormThreads = 32, Threads = 32, LogitsPerThread = 64 },
    };
}
