using ILGPU;
using ServingGrid.Kernels.Ilgpu.Programs;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>Rows are padded with zeros to whole groups of 32 columns, so that kernels load quads without looking at the end.</summary>
internal static class Padding
{
    public static int Columns(int columns) => (columns + 31) & ~31;
}

internal sealed class IlgpuTensor(int rows, int columns, DeviceBuffer<float> buffer) : Tensor(rows, columns)
{
    /// <summary>Floats from one row to the next.</summary>
    public int Stride { get; } = Padding.Columns(columns);

    public int StrideQuads => Stride / 4;

    public ArrayView<float> Floats => buffer.View;

    public ArrayView<Quad> Quads => buffer.As<Quad>();

    public override void Dispose() => buffer.Dispose();
}

internal sealed class IlgpuVector(int length, DeviceBuffer<float> buffer) : Vector(length)
{
    public ArrayView<float> Floats => buffer.View;

    public ArrayView<Quad> Quads => buffer.As<Quad>();

    public override void Dispose() => buffer.Dispose();
}

internal sealed class IlgpuMatrix(GgmlType type, int rows, int columns, int rowWords, DeviceBuffer<ushort> buffer) : Matrix(type, rows, columns)
{
    /// <summary>16-bit words of a row.</summary>
    public int RowWords { get; } = rowWords;

    /// <summary>Units of eight columns in a row, padding included.</summary>
    public int Units { get; } = Padding.Columns(columns) / 8;

    public ArrayView<ushort> Words => buffer.View;

    public override void Dispose() => buffer.Dispose();
}

internal sealed class IlgpuRope(int pairs, bool interleaved, int positions, DeviceBuffer<float> buffer) : RopeTable
{
    public int Pairs { get; } = pairs;

    public bool Interleaved { get; } = interleaved;

    public int Positions { get; } = positions;

    /// <summary>[positions, pairs]: cosine, sine.</summary>
    public ArrayView<float> Rotations => buffer.View;

    public override void Dispose() => buffer.Dispose();
}

internal sealed class IlgpuKvCache(KvLayout layout, int blockCount, CacheKernels kernels, DeviceBuffer<uint> buffer) : KvCache(layout, blockCount)
{
    public CacheKernels Kernels { get; } = kernels;

    public ArrayView<uint> Words => buffer.View;

    public int BlockWords => Layout.BlockBytes / 4;

    /// <summary>Words from one layer to the next.</summary>
    public long LayerWords => (long)BlockCount * BlockWords;

    public CacheView Layer(int layer) => new()
    {
        Halves = buffer.As<ushort>(),
        Floats = buffer.As<float>(),
        Layer = (long)layer * BlockCount * 2 * Layout.PartElements,
        KvHeads = Layout.KvHeads,
        HeadSize = Layout.HeadSize,
        BlockSize = Layout.BlockSize,
    };

    public override void Dispose() => buffer.Dispose();
}
