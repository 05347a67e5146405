using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>A weight matrix in panels of 16 rows, one after the other; rows beyond the last are zero.</summary>
internal sealed unsafe class CpuMatrix : Matrix
{
    private readonly PanelStorage _storage;
    private readonly WeightMemory _memory;

    public CpuMatrix(TensorData source, WeightArena arena, ProductKernel kernel)
        : base(source.Type, source.Rows, source.Columns)
    {
        _storage = PanelStorage.Of(source.Type);
        Kernel = kernel;
        Panels = (source.Rows + PanelLayout.Rows - 1) / PanelLayout.Rows;
        PanelBytes = _storage.PanelBytes(source.Columns);
        _memory = arena.Allocate(Panels * PanelBytes);
    }

    public ProductKernel Kernel { get; }

    public int Panels { get; }

    public long PanelBytes { get; }

    public byte* Panel(int panel) => _memory.Pointer + panel * PanelBytes;

    /// <summary>Copies a panel's rows from the file. Different panels may be packed at the same time.</summary>
    public void Pack(TensorData source, int panel) => _storage.Pack(source, panel * PanelLayout.Rows, Panel(panel));

    /// <summary>Dequantises a row.</summary>
    public void ReadRow(int row, float* output) =>
        _storage.ReadRow(Panel(row / PanelLayout.Rows), row % PanelLayout.Rows, Columns, output);

    public override void Dispose() => _memory.Dispose();
}
