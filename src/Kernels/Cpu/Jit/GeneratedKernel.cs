using Iced.Intel;
using ServingGrid.Kernels.Cpu.Matrices;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>A product kernel that consists of generated code, one routine for each number of rows in a tile.</summary>
internal sealed unsafe class GeneratedKernel : ProductKernel
{
    private readonly CodeMemory[] _code = new CodeMemory[ActivationLayout.TileRows];
    private readonly nint[] _entries = new nint[ActivationLayout.TileRows];

    /// <param name="quantized">What the code takes.</param>
    /// <param name="emit">Emits the routine for a number of rows.</param>
    public GeneratedKernel(bool quantized, Action<Assembler, int> emit)
    {
        Quantized = quantized;
        for (int i = 0; i < _code.Length; i++)
        {
            var assembler = new Assembler(64);
            emit(assembler, i + 1);
            _code[i] = CodeMemory.Create(assembler);
            _entries[i] = _code[i].Entry;
        }
    }

    public override bool Quantized { get; }

    public override void Multiply(byte* first, int panels, int columns, ActivationTile tile, ProductOutput output, nint ahead)
    {
        var arguments = new KernelArguments
        {
            Panels = first,
            Count = panels,
            Columns = columns,
            Activations = tile.Data,
            Stride = tile.Stride * sizeof(float),
            Output = output.Data,
            OutputStride = output.Stride * sizeof(float),
            Ahead = ahead,
            Accumulate = output.Accumulate ? 1 : 0,
        };

        // Without a transition: a call may take well under a microsecond, and at most some tens, for which a collection waits.
        ((delegate* unmanaged[SuppressGCTransition]<KernelArguments*, void>)_entries[tile.Rows - 1])(&arguments);
        GC.KeepAlive(this);
    }
}
