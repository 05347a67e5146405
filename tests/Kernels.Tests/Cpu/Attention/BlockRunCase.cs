using ServingGrid.Kernels.Cpu.Attention;
using ServingGrid.Kernels.Cpu.Jit;
using ServingGrid.Kernels.Tests.Suite;

namespace ServingGrid.Kernels.Tests.Cpu.Attention;

/// <summary>Many blocks and heads in one call, against what is computed block by block up to the first one that raises a maximum; later ones leave no trace.</summary>
internal sealed unsafe class BlockRunCase(KvType type, int rows, int heads, int headSize, int blocks, bool fresh, int seed)
{
    private const int Ahead = 3;
    private readonly int _stateFloats = AttentionGeometry.StateOutput + headSize;

    /// <summary>One block by other means.</summary>
    /// <param name="block">Which one, in the order in which they are read.</param>
    /// <param name="states">[heads][rows]; changed.</param>
    /// <param name="mayRaise">Whether maxima may be raised: the rows have seen nothing yet.</param>
    /// <returns>False if a maximum must be raised and may not.</returns>
    public delegate bool Reference(int block, float[] states, bool mayRaise);

    /// <summary>Asserts that both give the same states; returns the number of blocks done.</summary>
    /// <param name="queries">[heads][rows], as the type wants them.</param>
    /// <param name="region">Address of the keys or values of a head: by block, in the order in which they are read, and region.</param>
    /// <param name="reference">What is right.</param>
    public int Check(float* queries, Func<int, int, nint> region, Reference reference)
    {
        float[] expected = States();
        float[] actual = [.. expected];
        int done = 0;
        for (; done < blocks; done++)
        {
            float[] next = [.. expected];
            if (!reference(done, next, fresh && done == 0))
            {
                break;
            }

            expected = next;
        }

        float[] scores = new float[heads * rows * BlockProduct.Columns];
        nint* regions = stackalloc nint[(2 * heads * blocks) + Ahead];
        for (int i = 0; i < (2 * heads * blocks) + Ahead; i++)
        {
            regions[i] = region(Math.Min(i / (2 * heads), blocks - 1), i % (2 * heads));
        }

        fixed (float* s = scores, a = actual)
        {
            Assert.Equal(done, new GeneratedBlockProduct().RunBlocks(new BlockRun
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
        return done;
    }

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
