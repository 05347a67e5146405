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
                Softmax<Lanes128, Vector128<float>>.Apply(s + block * Slots, Slots, Math.Min(Slots, seen - block * Slots), st, StateFloats);

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
                        Softmax<Lanes128, Vector128<float>>.Apply(s + r * Slots, Slots, Slots, e + r * StateFloats, StateFloats);
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

    /// <summary>Blocks and heads in one call: what the single products compute.</summary>
    [Fact]
    public void RunBlocks_Generated_AsHeadByHead()
    {
        Assert.SkipUnless(CpuFeatures.CanGenerate, "no generated code on this processor and system");
        var product = new GeneratedBlockProduct();
        int level = 0;
        int raised = 0;
        int begun = 0;
        Gen.Select(Gen.Int[1, 8], Gen.Int[1, 4], Gen.Int[1, 3], Gen.Int[1, 7], Gen.Float[0.1f, 6f], Gen.Bool, Gen.Int[0, 1000]).Sample(
            (rows, stripes, heads, blocks, spread, fresh, seed) =>
            {
                int head = stripes * Slots;
                int region = head * Slots;
                int stateFloats = AttentionGeometry.StateOutput + head;
                float[] queries = Numbers.Normal(seed, heads * rows * head, spread / MathF.Sqrt(head));

                // [block][keys of each head, 96 bytes that nobody reads, values of each head]; the blocks of the table in no order.
                int blockElements = (2 * heads * region) + 48;
                Half[] memory = [.. Numbers.Normal(seed + 1, blocks * blockElements).Select(x => (Half)x)];
                int[] table = [.. Enumerable.Range(0, blocks)];
                new Random(seed).Shuffle(table);
                float[] scores = new float[rows * Slots];
                fixed (Half* m = memory)
                fixed (float* q = queries, s = scores)
                {
                    (nint address, nint query, nint score) = ((nint)m, (nint)q, (nint)s);
                    nint Region(int block, int r) => address + (((table[block] * blockElements) + (r * region) + (r < heads ? 0 : 48)) * sizeof(Half));
                    int raises = new BlockRunCase(KvType.F16, rows, heads, head, blocks, fresh, seed + 2).Check(q, Region, (block, states) =>
                    {
                        fixed (float* e = states)
                        {
                            for (int h = 0; h < heads; h++)
                            {
                                OneHead(product, rows, head, (float*)query + (h * rows * head), Region(block, h), Region(block, heads + h), (float*)score, e + (h * rows * stateFloats), stateFloats);
                            }
                        }
                    });
                    _ = raises == 0 ? level++ : raised++;
                    begun += fresh ? 1 : 0;
                }
            },
            iter: 400,
            seed: "0000000000000",
            threads: 1);
        Assert.InRange(level, 50, 350);
        Assert.InRange(raised, 50, 350);
        Assert.InRange(begun, 100, 300);
    }

    /// <summary>A maximum is the largest of numbers: what is none is left to the one place that says what happens then.</summary>
    [Theory]
    [InlineData(1f, 0)]
    [InlineData(0f, 1)]
    public void RunBlocks_ScoreThatIsNotANumber_IsLeftToTheCallerWhereAMaximumIsRaised(float other, int done)
    {
        Assert.SkipUnless(CpuFeatures.CanGenerate, "no generated code on this processor and system");
        float[] queries = new float[2 * Slots];
        queries.AsSpan(0, Slots).Fill(other);
        queries.AsSpan(Slots).Fill(float.NaN);
        float[] states = new float[2 * (AttentionGeometry.StateOutput + Slots)];
        float[] before = [.. states];
        Assert.Equal(done, RunBlock(1, queries, states, fresh: false));
        if (done == 0)
        {
            Assert.Equal(before, states);
            return;
        }

        Assert.Equal(32f, states[AttentionGeometry.StateOutput]);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void RunBlocks_FreshRowWithoutALargestScore_IsLeftToTheCaller(float key)
    {
        Assert.SkipUnless(CpuFeatures.CanGenerate, "no generated code on this processor and system");
        float[] queries = new float[Slots];
        queries.AsSpan().Fill(1);
        float[] state = new float[AttentionGeometry.StateOutput + Slots];
        state[0] = float.NegativeInfinity;
        float[] before = [.. state];
        Assert.Equal(0, RunBlock(key, queries, state, fresh: true));
        Assert.Equal(before, state);
    }

    /// <summary>One block of one head of 32, all keys and values the same number, in a run of its own; returns the blocks done.</summary>
    private static int RunBlock(float number, float[] queries, float[] states, bool fresh)
    {
        int rows = queries.Length / Slots;
        Half[] memory = new Half[2 * Slots * Slots];
        memory.AsSpan().Fill((Half)number);
        float[] scores = new float[rows * Slots];
        fixed (Half* m = memory)
        fixed (float* q = queries, s = scores, st = states)
        {
            nint* regions = stackalloc nint[] { (nint)m, (nint)(m + (Slots * Slots)), (nint)m, (nint)m };
            return new GeneratedBlockProduct().RunBlocks(new BlockRun
            {
                Type = KvType.F16,
                Rows = rows,
                Heads = 1,
                HeadSize = Slots,
                Queries = q,
                Regions = regions,
                RegionsAhead = 1,
                Blocks = 1,
                IsFresh = fresh,
                Scores = s,
                States = st,
                StateFloats = AttentionGeometry.StateOutput + Slots,
            });
        }
    }

    /// <summary>A block of one head by the single products.</summary>
    private static void OneHead(GeneratedBlockProduct product, int rows, int head, float* queries, nint keys, nint values, float* scores, float* states, int stateFloats)
    {
        var source = new KvSource((void*)keys, Slots, (void*)values, head, true, 0);
        if (!product.RunSoftmax(rows, queries, head, source, scores, states, stateFloats))
        {
            for (int r = 0; r < rows; r++)
            {
                Softmax<Lanes128, Vector128<float>>.Apply(scores + (r * Slots), Slots, Slots, states + (r * stateFloats), stateFloats);
            }
        }

        for (int c = 0; c < head; c += Slots)
        {
            product.Run(rows, scores, Slots, source.ValueColumn(c), head, true, 0, Slots, states + AttentionGeometry.StateOutput + c, stateFloats, true);
        }
    }
}
