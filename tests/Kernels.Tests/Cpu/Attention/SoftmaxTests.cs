using System.Runtime.Intrinsics;
using CsCheck;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Cpu.Attention;
using ServingGrid.Kernels.Cpu.Jit;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Kernels.Tests.Suite;

namespace ServingGrid.Kernels.Tests.Cpu.Attention;

public sealed unsafe class SoftmaxTests
{
    private const int Slots = BlockProduct.Columns;
    private const int StateFloats = AttentionGeometry.StateOutput + 32;

    /// <summary>Scores that rise by more and less than the headroom, some slots unseen: the weighted mean is that of exact arithmetic.</summary>
    [Theory]
    [InlineData(0f)]
    [InlineData(3f)]
    [InlineData(20f)]
    [InlineData(-20f)]
    public void Apply_BlocksOneAfterTheOther_WeightsOfExactArithmetic(float rise)
    {
        const int Blocks = 5;
        const int SeenInTheLast = 13;
        float[] scores = Numbers.Normal(1, Blocks * Slots, 2f);
        for (int i = 0; i < scores.Length; i++)
        {
            scores[i] += rise * (i / Slots);
        }

        int seen = (Blocks - 1) * Slots + SeenInTheLast;
        scores.AsSpan(seen).Fill(float.NaN);
        double largest = scores.Take(seen).Max();
        double sum = scores.Take(seen).Sum(x => Math.Pow(2, x - largest));
        float[] state = new float[StateFloats];
        fixed (float* s = scores, st = state)
        {
            AttentionState<Lanes128, Vector128<float>>.Clear(st, StateFloats);
            for (int block = 0; block < Blocks; block++)
            {
                Softmax<Lanes128, Vector128<float>>.Apply(s + block * Slots, Slots, Math.Min(Slots, seen - block * Slots), 1f, st, StateFloats);

                // The first output adds up the probabilities themselves: a value of 1 everywhere.
                st[AttentionGeometry.StateOutput] += scores.Skip(block * Slots).Take(Slots).Sum();
            }
        }

        Assert.InRange(largest - state[0], -1e-5, AttentionGeometry.Headroom + 1e-5);
        double expected = sum * Math.Pow(2, largest - state[0]);
        Assert.InRange(state.AsSpan(AttentionGeometry.StateSums, 16).ToArray().Sum(x => (double)x) / expected, 1 - 1e-5, 1 + 1e-5);
        Assert.InRange(state[AttentionGeometry.StateOutput] / expected, 1 - 1e-5, 1 + 1e-5);
        Assert.All(scores.Skip(seen), x => Assert.Equal(0, x));
    }

    [Fact]
    public void RunSoftmax_Generated_AsScoresThenApplyOrNothing()
    {
        Assert.SkipUnless(CpuFeatures.CanGenerate, "no generated code on this processor and system");
        var product = new GeneratedBlockProduct();
        int done = 0;
        int refused = 0;
        Gen.Select(Gen.Int[1, 8], Gen.Int[1, 80], Gen.Float[0.1f, 4f], Gen.Int[0, 1000]).Sample(
            (rows, depth, spread, seed) =>
            {
                float[] queries = Numbers.Normal(seed, rows * depth, spread / MathF.Sqrt(depth));
                float[] keys = Numbers.Normal(seed + 1, depth * Slots);
                float[] before = Numbers.Normal(seed + 2, rows * StateFloats);
                (float[] scores, float[] expected) = (new float[rows * Slots], [.. before]);
                (float[] actual, float[] states) = (new float[rows * Slots], [.. before]);
                fixed (float* q = queries, k = keys, s = scores, e = expected, a = actual, st = states)
                {
                    product.Run(rows, q, depth, k, Slots, false, 0, depth, s, Slots, false);
                    bool raises = false;
                    for (int r = 0; r < rows; r++)
                    {
                        raises |= new ReadOnlySpan<float>(s + r * Slots, Slots).ToArray().Max() > before[r * StateFloats] + AttentionGeometry.Headroom;
                    }

                    var source = new KvSource(k, Slots, k, Slots, false, 0);
                    Assert.Equal(!raises, product.RunSoftmax(rows, q, depth, source, a, st, StateFloats));
                    for (int r = 0; r < rows && !raises; r++)
                    {
                        Softmax<Lanes128, Vector128<float>>.Apply(s + r * Slots, Slots, Slots, 1f, e + r * StateFloats, StateFloats);
                    }

                    _ = raises ? refused++ : done++;
                }

                Assert.Equal(scores, actual);
                Assert.Equal(expected, states);
            },
            iter: 200,
            seed: "0000000000000",
            threads: 1);
        Assert.InRange(done, 20, 199);
        Assert.InRange(refused, 1, 199);
    }

    /// <summary>Blocks in one call: what the single products compute, up to the block that raises a maximum; later ones leave no trace.</summary>
    [Fact]
    public void RunBlocks_Generated_AsBlockByBlockUpToTheFirstThatRaises()
    {
        Assert.SkipUnless(CpuFeatures.CanGenerate, "no generated code on this processor and system");
        var product = new GeneratedBlockProduct();
        int whole = 0;
        int stopped = 0;
        Gen.Select(Gen.Int[1, 8], Gen.Int[1, 4], Gen.Int[1, 7], Gen.Float[0.1f, 3f], Gen.Int[0, 1000]).Sample(
            (rows, stripes, blocks, spread, seed) =>
            {
                int head = stripes * Slots;
                int stateFloats = AttentionGeometry.StateOutput + head;
                float[] queries = Numbers.Normal(seed, rows * head, spread / MathF.Sqrt(head));

                // [block][keys, 96 bytes that nobody reads, values]; the blocks of the table in no order.
                Half[] memory = [.. Numbers.Normal(seed + 1, blocks * (2 * head * Slots + 48)).Select(x => (Half)x)];
                int[] table = [.. Enumerable.Range(0, blocks)];
                new Random(seed).Shuffle(table);
                float[] before = [.. Numbers.Normal(seed + 2, rows * stateFloats).Select(Math.Abs)];
                (float[] expected, float[] actual) = ([.. before], [.. before]);
                float[] scores = new float[rows * Slots];
                int done = 0;
                fixed (Half* m = memory)
                fixed (float* q = queries, s = scores, e = expected, a = actual)
                {
                    nint valueOffset = 2 * (head * Slots + 48);
                    nint* keys = stackalloc nint[blocks + 1];
                    for (int i = 0; i < blocks; i++)
                    {
                        keys[i] = (nint)(m + table[i] * (2 * head * Slots + 48));
                    }

                    keys[blocks] = keys[blocks - 1];
                    bool raises = false;
                    for (; done < blocks && !raises; done += raises ? 0 : 1)
                    {
                        var source = new KvSource((void*)keys[done], Slots, (void*)(keys[done] + valueOffset), head, true, 0);
                        raises = !product.RunSoftmax(rows, q, head, source, s, e, stateFloats);
                        for (int c = 0; c < head && !raises; c += Slots)
                        {
                            product.Run(rows, s, Slots, source.ValueColumn(c), head, true, 0, Slots, e + AttentionGeometry.StateOutput + c, stateFloats, true);
                        }
                    }

                    Assert.Equal(done, product.RunBlocks(rows, q, head, keys, blocks, valueOffset, s, a, stateFloats));
                }

                Assert.Equal(expected, actual);
                _ = done == blocks ? whole++ : stopped++;
            },
            iter: 300,
            seed: "0000000000000",
            threads: 1);
        Assert.InRange(whole, 20, 280);
        Assert.InRange(stopped, 20, 280);
    }
}
