using ServingGrid.Model;

namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>For each position: <c>Pairs</c> cosines, then <c>Pairs</c> sines. Angles are computed in F64.</summary>
internal sealed unsafe class CpuRopeTable : RopeTable
{
    private readonly NativeBuffer _buffer;

    public CpuRopeTable(RopeParameters rope, int maxPositions)
    {
        Style = rope.Style;
        Pairs = rope.Dimensions / 2;
        MaxPositions = maxPositions;
        _buffer = new NativeBuffer((long)maxPositions * 2 * Pairs * sizeof(float));
        for (int position = 0; position < maxPositions; position++)
        {
            float* cosines = Cosines(position);
            for (int pair = 0; pair < Pairs; pair++)
            {
                (double sine, double cosine) = Math.SinCos((double)position * rope.InverseFrequencies[pair]);
                cosines[pair] = (float)(cosine * rope.Magnitude);
                cosines[Pairs + pair] = (float)(sine * rope.Magnitude);
            }
        }
    }

    public RopeStyle Style { get; }

    /// <summary>Rotated pairs of a head.</summary>
    public int Pairs { get; }

    public int MaxPositions { get; }

    /// <summary>Cosines of a position; its sines follow after <see cref="Pairs"/> floats.</summary>
    public float* Cosines(int position) => (float*)_buffer.Pointer + (long)position * 2 * Pairs;

    public override void Dispose() => _buffer.Dispose();
}
