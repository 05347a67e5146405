using ServingGrid.Kernels;

namespace ServingGrid.Grains.Transfer;

/// <summary>Blocks × layers that travel in one frame.</summary>
internal readonly record struct KvPiece(int FirstBlock, int Blocks, int FirstLayer, int Layers)
{
    public int Bytes(KvLayout layout) => Blocks * Layers * layout.BlockBytes;
}

/// <summary>Cuts a run of blocks into frames: as many whole blocks as fit, or, where a block of all layers does not fit, some of its layers.</summary>
internal static class KvPieces
{
    /// <exception cref="KvTransferException">A block of a single layer is larger than a frame.</exception>
    public static IEnumerable<KvPiece> Cut(KvLayout layout, int firstBlock, int count, int maxBytes)
    {
        if (layout.BlockBytes > maxBytes)
        {
            throw new KvTransferException(KvTransferFailure.Refused, $"a KV block of {layout.BlockBytes} bytes does not fit into a frame of {maxBytes}");
        }

        int blocks = (int)Math.Max(1, maxBytes / layout.BlockBytesAllLayers);
        int layers = Math.Min(layout.Layers, maxBytes / layout.BlockBytes);
        for (int block = firstBlock; block < firstBlock + count; block += blocks)
        {
            for (int layer = 0; layer < layout.Layers; layer += layers)
            {
                yield return new KvPiece(block, Math.Min(blocks, firstBlock + count - block), layer, Math.Min(layers, layout.Layers - layer));
            }
        }
    }
}
