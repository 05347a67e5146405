namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>
/// F32 activations in native memory, one row every <see cref="Stride"/> floats. The stride is an odd number of cache lines, so
/// that the rows that a tile reads side by side do not fall into the same set of the cache.
/// </summary>
internal sealed unsafe class CpuTensor(int rows, int columns) : Tensor(rows, columns)
{
    private readonly NativeBuffer _buffer = new((long)rows * RowStride(columns) * sizeof(float));

    public int Stride { get; } = RowStride(columns);

    public float* Data => (float*)_buffer.Pointer;

    public float* Row(int row) => Data + (long)row * Stride;

    /// <summary>Floats from one row to the next: whole cache lines, an odd number of them.</summary>
    public static int RowStride(int columns) => (((columns + 15) / 16) | 1) * 16;

    public override void Dispose() => _buffer.Dispose();
}
