namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>
/// A quantised type at compile time: its <see cref="PanelLayout"/>, whose members the JIT turns into constants when they come from
/// here, and how a block of the file becomes the panel's numbers.
/// </summary>
internal unsafe interface IPanelFormat
{
    static abstract int LowBits { get; }

    static abstract int HighBits { get; }

    /// <summary>What is subtracted from u.</summary>
    static abstract int Offset { get; }

    static abstract bool HasMin { get; }

    static abstract bool SuperBlocks { get; }

    static abstract bool HalfScales { get; }

    /// <summary>
    /// Reads block <paramref name="index"/> (of 32 columns) of a row as it lies in the file (the layouts of ggml's
    /// <c>ggml-common.h</c>): the 32 unsigned weights as 8 groups of 4 bytes, and scale and minimum in the form of the panel
    /// (F16 bits, or bytes for super-blocks; Q6_K: the scales of both halves).
    /// </summary>
    static abstract void Read(byte* row, int index, uint* groups, out ushort scale, out ushort min);

    /// <summary>F16 bits of d and −dmin of the super-block that holds block <paramref name="index"/>; unused by other types.</summary>
    static abstract void ReadHeader(byte* row, int index, out ushort d, out ushort min);
}
