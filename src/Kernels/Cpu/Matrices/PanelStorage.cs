using System.Runtime.Intrinsics;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>How matrices of one type are stored: sizes, packing, and reading a single row back (embeddings).</summary>
/// <remarks>Immutable and thread-safe.</remarks>
internal abstract unsafe class PanelStorage
{
    public abstract long PanelBytes(int columns);

    /// <summary>Packs up to 16 rows from <paramref name="firstRow"/> on into a zeroed panel.</summary>
    public abstract void Pack(TensorData source, int firstRow, byte* panel);

    /// <summary>Dequantises one of the panel's rows.</summary>
    public abstract void ReadRow(byte* panel, int row, int columns, float* output);

    public static PanelStorage Of(GgmlType type) => type switch
    {
        GgmlType.F32 => new FloatStorage<SingleFormat>(),
        GgmlType.F16 => new FloatStorage<HalfFormat>(),
        GgmlType.BF16 => new FloatStorage<BFloatFormat>(),
        GgmlType.Q4_0 => new QuantizedStorage<Formats.Q4_0>(Formats.Q4_0.Layout),
        GgmlType.Q4_1 => new QuantizedStorage<Formats.Q4_1>(Formats.Q4_1.Layout),
        GgmlType.Q5_0 => new QuantizedStorage<Formats.Q5_0>(Formats.Q5_0.Layout),
        GgmlType.Q5_1 => new QuantizedStorage<Formats.Q5_1>(Formats.Q5_1.Layout),
        GgmlType.Q8_0 => new QuantizedStorage<Formats.Q8_0>(Formats.Q8_0.Layout),
        GgmlType.Q4_K => new QuantizedStorage<Formats.Q4_K>(Formats.Q4_K.Layout),
        GgmlType.Q5_K => new QuantizedStorage<Formats.Q5_K>(Formats.Q5_K.Layout),
        GgmlType.Q6_K => new QuantizedStorage<Formats.Q6_K>(Formats.Q6_K.Layout),
        _ => throw new ArgumentException($"matrices of type {type} are not supported", nameof(type)),
    };

    private sealed class QuantizedStorage<F>(PanelLayout layout) : PanelStorage
        where F : IPanelFormat
    {
        public override long PanelBytes(int columns) => layout.PanelBytes(columns);

        public override void Pack(TensorData source, int firstRow, byte* panel) => PanelPacker<F>.Pack(source, firstRow, panel);

        public override void ReadRow(byte* panel, int row, int columns, float* output) =>
            PanelReader<F>.ReadRow(layout, panel, row, columns, output);
    }

    private sealed class FloatStorage<E> : PanelStorage
        where E : IFloatFormat
    {
        public override long PanelBytes(int columns) => (long)columns * PanelLayout.Rows * E.Bytes;

        public override void Pack(TensorData source, int firstRow, byte* panel)
        {
            int rows = Math.Min(PanelLayout.Rows, source.Rows - firstRow);
            byte* from = (byte*)source.Address + (long)firstRow * source.RowBytes;
            for (int column = 0; column < source.Columns; column++)
            {
                for (int r = 0; r < rows; r++)
                {
                    byte* element = from + (long)r * source.RowBytes + column * E.Bytes;
                    int to = column * PanelLayout.Rows + r;
                    if (E.Bytes == 4)
                    {
                        ((uint*)panel)[to] = *(uint*)element;
                    }
                    else
                    {
                        ((ushort*)panel)[to] = *(ushort*)element;
                    }
                }
            }
        }

        public override void ReadRow(byte* panel, int row, int columns, float* output)
        {
            for (int column = 0; column < columns; column++)
            {
                // A vector of rows is widened and one of them kept: a row of embeddings is too little work to deserve better.
                Vector128<float> rows = E.Load<Lanes128, Vector128<float>>(panel + (column * PanelLayout.Rows + (row & ~3)) * E.Bytes);
                output[column] = rows[row & 3];
            }
        }
    }
}
