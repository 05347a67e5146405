using ServingGrid.Kernels;

namespace ServingGrid.Engine.Execution;

/// <summary>Names the arithmetic of an engine: its device's, and what the engine adds to it.</summary>
internal static class EngineNumerics
{
    /// <summary>
    /// Version of what the engine itself computes: the operations of a layer and their order, and how tokens are drawn. Raised with every
    /// change after which some token may be another.
    /// </summary>
    private const int ArithmeticVersion = 1;

    /// <summary>
    /// "cpu-v1-3fa94c01-e1-f16-b32". What the cache keeps has the precision of its type; and the processor's kernels raise the maxima of
    /// attention block by block, so that its bits depend on the size of blocks.
    /// </summary>
    public static string Name(Device device, EngineOptions options) =>
        $"{device.Info.Numerics}-e{ArithmeticVersion}-{options.KvType.ToString().ToLowerInvariant()}-b{options.BlockSize}";
}
