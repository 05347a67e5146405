using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>
/// The input of matrix products: rows of a tensor, normalised if a norm is given, in the form (F32, quantised or both) that the
/// kernels take. Prepared once for all products over the same input.
/// </summary>
/// <remarks>
/// <see cref="Begin"/> on the caller's thread, <see cref="Prepare"/> on each worker for its share of the rows, a barrier, then
/// <see cref="Tile"/> on any. Or <see cref="BeginQuantized"/>, and the workers write the blocks themselves.
/// </remarks>
internal sealed unsafe class ActivationSource(LaneKernels lanes, int workers) : IDisposable
{
    private readonly ScratchBuffer _quantized = new();
    private readonly ScratchBuffer _floats = new();
    private CpuTensor _input = null!;
    private int _columns;
    private CpuVector? _norm;
    private float _epsilon;
    private bool _wantsQuantized;
    private bool _wantsFloats;
    private byte* _quantizedRows;
    private float* _floatRows;
    private nint _stride;

    public int Rows { get; private set; }

    public void Begin(CpuTensor input, CpuVector? norm, float epsilon, int rows, bool wantsQuantized, bool wantsFloats)
    {
        (_input, _norm, _epsilon, Rows, _columns) = (input, norm, epsilon, rows, input.Columns);
        (_wantsQuantized, _wantsFloats) = (wantsQuantized, wantsFloats);
        _quantizedRows = wantsQuantized ? _quantized.Reserve(ActivationLayout.Bytes(rows, input.Columns)) : null;
        _stride = input.Stride;

        // Normalised rows need room of their own: for each row where F32 is wanted, else one for each worker.
        _floatRows = norm is null ? input.Data : (float*)_floats.Reserve((wantsFloats ? rows : workers) * _stride * sizeof(float));
    }

    /// <summary>An input that is written block by block in its quantised form (<see cref="QuantizedTile"/>), and in no other.</summary>
    public void BeginQuantized(int rows, int columns)
    {
        (Rows, _columns) = (rows, columns);
        _quantizedRows = _quantized.Reserve(ActivationLayout.Bytes(rows, columns));
    }

    /// <summary>Prepares a worker's share. <paramref name="indices"/>: which row of the input is row i; all in order if empty.</summary>
    public void Prepare(int worker, ReadOnlySpan<int> indices)
    {
        int columns = _columns;

        // Rounded up: the caller, who is there before the others, takes a single row.
        int end = (int)(((long)Rows * (worker + 1) + workers - 1) / workers);
        for (int r = (int)(((long)Rows * worker + workers - 1) / workers); r < end; r++)
        {
            float* row = _input.Row(indices.IsEmpty ? r : indices[r]);
            if (_norm is not null)
            {
                float* normed = _floatRows + (_wantsFloats ? r : worker) * _stride;
                lanes.RmsNorm(row, _norm.Data, _epsilon, columns, normed);
                row = normed;
            }

            if (_wantsQuantized)
            {
                int tile = r / ActivationLayout.TileRows;
                lanes.QuantizeRow(row, columns, QuantizedTile(tile), r % ActivationLayout.TileRows, ActivationLayout.TileSize(Rows, tile));
            }
        }
    }

    /// <summary>Rows of tile number <paramref name="tile"/> in the form that the kernel takes.</summary>
    public ActivationTile Tile(int tile, ProductKernel kernel)
    {
        int first = tile * ActivationLayout.TileRows;
        byte* data = kernel.Quantized ? QuantizedTile(tile) : (byte*)(_floatRows + first * _stride);
        return new ActivationTile(data, _stride, ActivationLayout.TileSize(Rows, tile));
    }

    /// <summary>The records of a tile's blocks, see <see cref="ActivationLayout"/>.</summary>
    public byte* QuantizedTile(int tile) => _quantizedRows + ActivationLayout.TileOffset(tile * ActivationLayout.TileRows, _columns);

    public void Dispose()
    {
        _quantized.Dispose();
        _floats.Dispose();
    }
}
