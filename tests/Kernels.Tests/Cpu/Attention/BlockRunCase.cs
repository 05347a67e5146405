using ServingGrid.Kernels.Cpu.Attention;
using ServingGrid.Kernels.Cpu.Jit;
using ServingGrid.Kernels.Tests.Suite;

namespace ServingGrid.Kernels.Tests.Cpu.Attention;

/// <summary>Many blocks and heads in one call, against what is computed block by block.</summary>
internal sealed unsafe class BlockRunCase(KvType type, int rows, int heads, int headSize, int blocks, bool fresh, int seed)
{
    private const int Ahead = 3;
    private readonly int _regions = (2 * heads * blocks) + Math.Max(Ahead, 2 * heads);
    private readonly int _stateFloats = AttentionGeometry.StateOutput + headSize;

    /// <summary>One block by other means.</summary>
    /// <param name="block">Which one, in the order in which they are read.</param>
    /// <param name="states">[heads][rows]; changed.</param>
    public delegate void Reference(int block, float[] states);

    /// <summary>Asserts that both give the same states; returns the number of blocks that raised the maximum of a row that had one.</summary>
    /// <param name="queries">[heads][rows], as the type wants them.</param>
    /// <param name="region">Address of the keys or values of a head: by block, in the order in which they are read, and region.</param>
    /// <param name="reference">What is right.</param>
    public int Check(float* queries, Func<int, int, nint> region, Reference reference)
    {
        float[] expected = States();
        float[] actual = [.. expected];
        int raised = 0;
        for (int block = 0; block < blocks; block++)
        {
            float[] before = Maxima(expected);
            reference(block, expected);
            raised += (block > 0 || !fresh) && !before.SequenceEqual(Maxima(expected)) ? 1 : 0;
        }

        float[] scores = new float[heads * rows * BlockProduct.Columns];
        nint* regions = stackalloc nint[_regions];
        for (int i = 0; i < _regions; i++)
        {
            regions[i] = region(Math.Min(i / (2 * heads), blocks - 1), i % (2 * heads));
        }

        fixed (float* s = scores, a = actual)
        {
            Assert.Equal(blocks, new GeneratedBlockProduct().RunBlocks(new BlockRun
            {
                Type = type,
                Rows = rows,
                Heads = heads,
                HeadSize = headSize,
                Queries = queries,
                Regions = regions,
                RegionsAhead = Ahead,
                Blocks = blocks,
                IsFresh = fresh,
                Scores = s,
                States = a,
                StateFloats = _stateFloats,
            }));
        }

        Assert.Equal(expected, actual);
        return raised;
    }

    private float[] Maxima(float[] states) => [.. Enumerable.Range(0, heads * rows).Select(r => states[r * _stateFloats])];

    private float[] States()
    {
        float[] states = [.. Numbers.Normal(seed, heads * rows * _stateFloats).Select(Math.Abs)];
        for (int r = 0; fresh && r < heads * rows; r++)
        {
            states.AsSpan(r * _stateFloats, _stateFloats).Clear();
            states[r * _stateFloats] = float.NegativeInfinity;
        }

        return states;
    }
}
