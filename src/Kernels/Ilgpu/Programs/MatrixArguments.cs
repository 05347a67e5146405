using ILGPU;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>
/// output[r, o] = Σ weights[o, c] · input[r, c], plus bias[o] if there is one, plus output[r, o] if <see cref="Accumulate"/>.
/// </summary>
internal struct MatrixArguments
{
    /// <summary>[WeightRows, RowWords] 16-bit words: GGUF blocks as they lie in the file.</summary>
    public ArrayView<ushort> Weights;

    /// <summary>[InputRows, InputStride] quads; columns beyond the matrix's are zero.</summary>
    public ArrayView<Quad> Input;

    /// <summary>[WeightRows], or one unused element.</summary>
    public ArrayView<float> Bias;

    /// <summary>[InputRows, OutputStride]</summary>
    public ArrayView<float> Output;

    public int WeightRows;

    public int RowWords;

    /// <summary>Units of eight columns in a row.</summary>
    public int Units;

    public int InputRows;

    /// <summary>Quads from one input row to the next.</summary>
    public int InputStride;

    /// <summary>Floats from one output row to the next.</summary>
    public int OutputStride;

    public int HasBias;

    public int Accumulate;

    /// <summary>Output features that each warp of the vector form computes one after the other: even, at most 32.</summary>
    public int OutputsPerWarp;
}
