using System.Runtime.Intrinsics;
using ServingGrid.Kernels.Cpu.Attention;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Tests.Cpu.Attention;

public sealed unsafe class AttentionStateTests
{
    private const int HeadSize = 32;
    private const int Floats = AttentionGeometry.StateOutput + HeadSize;

    /// <summary>A piece of whose scores none is a number has no maximum, as one without scores; but it counts.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Merge_PieceWithoutANumber_LeavesNone(bool first)
    {
        float[] numbers = State(score: 1);
        float[] none = State(score: float.NaN);
        Assert.Equal(float.NegativeInfinity, none[0]);
        Assert.All(Merged(first ? [none, numbers] : [numbers, none]), x => Assert.True(float.IsNaN(x)));
    }

    [Fact]
    public void Merge_PieceWithoutScores_ChangesNothing()
    {
        float[] numbers = State(score: 1);
        float[] empty = State(score: null);
        float[] expected = Merged([numbers]);
        Assert.All(expected, x => Assert.Equal(3, x));
        Assert.Equal(expected, Merged([numbers, empty]));
        Assert.Equal(expected, Merged([empty, numbers]));
    }

    /// <summary>After one block whose scores are all the same and whose values are 3.</summary>
    private static float[] State(float? score)
    {
        float[] state = new float[Floats];
        float[] scores = new float[32];
        scores.AsSpan().Fill(score ?? 0);
        fixed (float* st = state, s = scores)
        {
            AttentionState<Lanes128, Vector128<float>>.Clear(st, Floats);
            Softmax<Lanes128, Vector128<float>>.Apply(s, 32, score is null ? 0 : 32, st, Floats);
            for (int d = 0; d < HeadSize; d++)
            {
                st[AttentionGeometry.StateOutput + d] = 3 * scores.Sum();
            }
        }

        return state;
    }

    private static float[] Merged(float[][] pieces)
    {
        float[] total = [.. pieces[0]];
        float[] output = new float[HeadSize];
        fixed (float* t = total, o = output)
        {
            foreach (float[] piece in pieces[1..])
            {
                fixed (float* p = piece)
                {
                    AttentionState<Lanes128, Vector128<float>>.Merge(t, p, Floats);
                }
            }

            AttentionState<Lanes128, Vector128<float>>.Finish(t, HeadSize, o);
        }

        return output;
    }
}
