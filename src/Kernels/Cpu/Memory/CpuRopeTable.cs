using ServingGrid.Model;

namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>
/// Sines and cosines of each position, in the order in which the rotation reads them. Pairs half a head apart: a cosine for each pair,
/// then a sine. Neighbours: a cosine for each element, then a sine, negative for the first of each pair. Angles are computed in F64.
/// </summary>
internal sealed unsafe class CpuRopeTable : RopeTable
{
    private readonly NativeBuffer _buffer;
    private readonly int _rowFloats;

    public CpuRopeTable(RopeParameters rope, int maxPositions)
    {
        Style = rope.Style;
        Pairs = rope.Dimensions / 2;
        MaxPositions = maxPositions;
        bool neighbours = Style == RopeStyle.Interleaved;
        _rowFloats = (neighbours ? 4 : 2) * Pairs;
        _buffer = new NativeBuffer((long)maxPositions * _rowFloats * sizeof(float));
        for (int position = 0; position < maxPositions; position++)
        {
            float* row = Rows(position);
            for (int pair = 0; pair < Pairs; pair++)
            {
                (double sine, double cosine) = Math.SinCos((double)position * rope.InverseFrequencies[pair]);
                (float s, float c) = ((float)(sine * rope.Magnitude), (float)(cosine * rope.Magnitude));
                if (neighbours)
                {
                    (row[2 * pair], row[2 * pair + 1]) = (c, c);
                    (row[2 * Pairs + 2 * pair], row[2 * Pairs + 2 * pair + 1]) = (-s, s);
                }
                else
                {
                    (row[pair], row[Pairs + pair]) = (c, s);
                }
            }
        }
    }

    public RopeStyle Style { get; }

    /// <summary>Rotated pairs of a head.</summary>
    public int Pairs { get; }

    public int MaxPositions { get; }

    /// <summary>Cosines of a position, then its sines.</summary>
    public float* Rows(int position) => (float*)_buffer.Pointer + (long)position * _rowFloats;

    public override void Dispose() => _buffer.Dispose();
}
