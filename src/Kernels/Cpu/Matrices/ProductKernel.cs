namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>Rows of activations that a kernel multiplies at once.</summary>
/// <param name="data">Quantised kernels: a tile of <see cref="ActivationLayout"/>. Float kernels: the first of the F32 rows.</param>
/// <param name="stride">Float kernels: floats from one row to the next.</param>
/// <param name="rows">1 … <see cref="ActivationLayout.TileRows"/>.</param>
internal readonly unsafe struct ActivationTile(byte* data, nint stride, int rows)
{
    public byte* Data { get; } = data;

    public nint Stride { get; } = stride;

    public int Rows { get; } = rows;
}

/// <summary>Where a product goes: 16 · panels columns, <paramref name="stride"/> floats from row to row.</summary>
/// <param name="data">First column of the first row.</param>
/// <param name="stride">Floats.</param>
/// <param name="accumulate">Adds to what is there.</param>
internal readonly unsafe struct ProductOutput(float* data, nint stride, bool accumulate)
{
    public float* Data { get; } = data;

    public nint Stride { get; } = stride;

    public bool Accumulate { get; } = accumulate;
}

/// <summary>
/// The inner product of panels and activations, for one type of weights and one instruction set. What it computes for a row of
/// activations and a row of weights does not depend on what else is in the tile: sums run over the columns in order.
/// </summary>
/// <remarks>Immutable and thread-safe.</remarks>
internal abstract unsafe class ProductKernel
{
    /// <summary>True if it takes quantised activations.</summary>
    public abstract bool Quantized { get; }

    /// <summary>
    /// <c>output[t · stride + 16 · p + r]</c> = (or +=) row r of panel p · activation row t, for 16 rows of each of the
    /// <paramref name="panels"/> panels that lie one after the other from <paramref name="first"/> on.
    /// </summary>
    /// <param name="first">First panel.</param>
    /// <param name="panels">At least one.</param>
    /// <param name="columns">Of the matrix.</param>
    /// <param name="tile">Rows of activations.</param>
    /// <param name="output">Result.</param>
    /// <param name="ahead">Bytes from the weights that are read to those that memory is asked for meanwhile.</param>
    public abstract void Multiply(byte* first, int panels, int columns, ActivationTile tile, ProductOutput output, nint ahead);
}
