using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>
/// Copies blocks of some layers: for each layer l and each i, block <c>From[i]</c> of the source to block <c>To[i]</c> of the
/// target. A gather packs them (the target is [layer][i]), a scatter unpacks them, a copy stays inside a cache.
/// </summary>
internal struct CopyArguments
{
    public ArrayView<uint> Source;

    public ArrayView<uint> Target;

    /// <summary>Block ids, or one unused element with <see cref="PackedSource"/>: then block i is i.</summary>
    public ArrayView<int> From;

    public ArrayView<int> To;

    /// <summary>First word of the first layer.</summary>
    public long SourceStart;

    public long TargetStart;

    /// <summary>Words from one layer to the next.</summary>
    public long SourceLayer;

    public long TargetLayer;

    public int BlockWords;

    public int PackedSource;

    public int PackedTarget;
}

internal static class CopyKernels
{
    /// <summary>Group (threads), grid (blocks, layers).</summary>
    public static void CopyBlocks(CopyArguments arguments)
    {
        int i = Grid.IdxX;
        int from = arguments.PackedSource != 0 ? i : arguments.From[i];
        int to = arguments.PackedTarget != 0 ? i : arguments.To[i];
        long source = arguments.SourceStart + Grid.IdxY * arguments.SourceLayer + (long)from * arguments.BlockWords;
        long target = arguments.TargetStart + Grid.IdxY * arguments.TargetLayer + (long)to * arguments.BlockWords;
        for (int word = Group.IdxX; word < arguments.BlockWords; word += Group.DimX)
        {
            arguments.Target[target + word] = arguments.Source[source + word];
        }
    }
}
