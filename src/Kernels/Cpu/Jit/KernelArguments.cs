namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>What a generated kernel is called with: a pointer to this, in RDI. The offsets are those of the fields.</summary>
internal unsafe struct KernelArguments
{
    public const int PanelsOffset = 0;
    public const int CountOffset = 8;
    public const int ColumnsOffset = 16;
    public const int ActivationsOffset = 24;
    public const int StrideOffset = 32;
    public const int OutputOffset = 40;
    public const int OutputStrideOffset = 48;
    public const int AheadOffset = 56;
    public const int AccumulateOffset = 64;

    /// <summary>First of the panels, which lie one after the other.</summary>
    public byte* Panels;

    /// <summary>Panels, at least one.</summary>
    public nint Count;

    /// <summary>Columns of the matrix, at least one (quantised: one block).</summary>
    public nint Columns;

    /// <summary>Tile of activations.</summary>
    public byte* Activations;

    /// <summary>Float kernels: bytes from one row of activations to the next.</summary>
    public nint Stride;

    /// <summary>First output.</summary>
    public float* Output;

    /// <summary>Bytes from one row of outputs to the next.</summary>
    public nint OutputStride;

    /// <summary>Bytes from the weights that are read to those that are prefetched.</summary>
    public nint Ahead;

    /// <summary>Not zero: adds to the output.</summary>
    public nint Accumulate;
}
