using System.Runtime.Intrinsics;
using CsCheck;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Cpu.Attention;
using ServingGrid.Kernels.Cpu.Simd;
using ServingGrid.Kernels.Tests.Suite;

namespace ServingGrid.Kernels.Tests.Cpu.Attention;

public sealed unsafe class Q8Tests
{
    private const int Slots = BlockProduct.Columns;

    [Fact]
    public void ToBytes_RandomHeads_NearestIntegersOfTheLargest()
    {
        Gen.Select(Gen.Int[1, 70], Gen.Float[1e-20f, 1e20f], Gen.Int[0, 1000]).Sample(
            (count, size, seed) =>
            {
                float[] source = Numbers.Normal(seed, count, size);
                sbyte[] bytes = new sbyte[count];
                float scale;
                fixed (float* s = source)
                fixed (sbyte* b = bytes)
                {
                    scale = Q8Numbers<Lanes128, Vector128<float>>.ToBytes(s, count, b);
                }

                Assert.Equal(source.Max(MathF.Abs) / 127, scale);
                Assert.Equal(127, bytes.Max(x => Math.Abs((int)x)));
                Assert.All(source.Zip(bytes), pair => Assert.InRange(pair.First - (pair.Second * (double)scale), -0.5001 * scale, 0.5001 * scale));
            },
            iter: 300,
            seed: "0000000000000",
            threads: 1);
    }

    [Fact]
    public void ToBytes_WhereTheFloatsLie_AsElsewhere()
    {
        float[] source = Numbers.Normal(3, 96);
        float[] room = [.. source];
        sbyte[] expected = new sbyte[96];
        fixed (float* s = source, r = room)
        fixed (sbyte* e = expected)
        {
            Q8Numbers<Lanes128, Vector128<float>>.ToBytes(s, 96, e);
            Q8Numbers<Lanes128, Vector128<float>>.ToBytes(r, 96, (sbyte*)r);
            Assert.Equal(expected, new ReadOnlySpan<sbyte>(r, 96).ToArray());
        }
    }

    [Theory]
    [InlineData(0f, 0f)]
    [InlineData(1e-40f, 0f)]
    [InlineData(float.NaN, float.NaN)]
    [InlineData(float.PositiveInfinity, float.NaN)]
    [InlineData(float.NegativeInfinity, float.NaN)]
    public void ToBytes_NothingOrNotFinite_ZerosWithAScaleThatSaysSo(float value, float scale)
    {
        float* source = stackalloc float[] { 0, 0, value, 0, 0 };
        sbyte* bytes = stackalloc sbyte[] { 1, 2, 3, 4, 5 };
        Assert.Equal(scale, Q8Numbers<Lanes128, Vector128<float>>.ToBytes(source, 5, bytes));
        Assert.All(new ReadOnlySpan<sbyte>(bytes, 5).ToArray(), x => Assert.Equal(0, x));
    }

    [Fact]
    public void ToShorts_ScaleThatIsNotANumber_IsSeenInTheResultUnlessItsSlotIsNot()
    {
        float* scales = stackalloc float[] { 1, 2, float.NaN, 1 };
        short* weights = stackalloc short[4];
        float* first = stackalloc float[] { 0.5f, 0.25f, 1, 1 };
        Assert.Equal(0.5f * (1f / 32767f), Q8Numbers<Lanes128, Vector128<float>>.ToShorts(first, scales, 2, 4, weights));
        Assert.Equal([32767, 32767, 0, 0], new ReadOnlySpan<short>(weights, 4).ToArray());
        float* second = stackalloc float[] { 0.5f, 0.25f, 1, 1 };
        Assert.Equal(float.NaN, Q8Numbers<Lanes128, Vector128<float>>.ToShorts(second, scales, 3, 4, weights));
    }

    /// <summary>One row, blocks of a context whose last is seen in part: near attention in exact arithmetic over what the cache holds, the same bits from every width.</summary>
    [Fact]
    public void Compute_SomeBlocks_NearExactAndEqualInAllWidths()
    {
        Gen.Select(Gen.Int[1, 30].Select(x => 4 * x), Gen.Int[1, 8].Select(x => 8 * x), Gen.Int[1, 4], Gen.Int[0, 1000]).Sample(
            (headSize, blockSize, blocks, seed) =>
            {
                var geometry = new AttentionGeometry(new AttentionShape(1, 1, headSize), new KvLayout(1, 1, headSize, blockSize, KvType.Q8));
                int seen = (blocks * blockSize) - (seed % blockSize);
                byte[] memory = new byte[blocks * geometry.Layout.BlockBytes];
                memory.AsSpan().Fill(0xFF);
                float[] keys = Numbers.Normal(seed, seen * headSize);
                float[] values = Numbers.Normal(seed + 1, seen * headSize);
                float[] query = Numbers.Normal(seed + 2, headSize, 2f / MathF.Sqrt(headSize));
                float[] narrow = Run<Lanes128, Vector128<float>>(geometry, memory, keys, values, query, seen);
                if (CpuFeatures.Avx2)
                {
                    Assert.Equal(narrow, Run<Lanes256, Vector256<float>>(geometry, memory, keys, values, query, seen));
                }

                if (CpuFeatures.Avx512)
                {
                    Assert.Equal(narrow, Run<Lanes512, Vector512<float>>(geometry, memory, keys, values, query, seen));
                }

                // Roundings of queries, keys and values; most where few values cancel each other. What is wrong is as large as the result.
                Assert.InRange(Numbers.RelativeError(Exact(keys, values, query, headSize), narrow), 0, 0.1);
            },
            iter: 150,
            seed: "0000000000000",
            threads: 1);
    }

    /// <summary>Blocks and heads in one call: what <see cref="Q8Block{L,V}"/> computes.</summary>
    [Fact]
    public void RunBlocks_Generated_AsRowByRow()
    {
        Assert.SkipUnless(CpuFeatures.CanGenerate && CpuFeatures.Avx512Vnni, "no generated code for integers on this processor and system");
        int level = 0;
        int raised = 0;
        Gen.Select(Gen.Int[1, 8], Gen.Int[1, 4], Gen.Int[1, 3], Gen.Int[1, 7], Gen.Float[0.1f, 6f], Gen.Bool, Gen.Int[0, 1000]).Sample(
            (rows, stripes, heads, blocks, spread, fresh, seed) =>
            {
                int headSize = stripes * Slots;
                float[] queries = Numbers.Normal(seed, heads * rows * headSize, spread / MathF.Sqrt(headSize));
                _ = CheckRun(rows, heads, headSize, blocks, fresh, seed, queries, _ => { }) == 0 ? level++ : raised++;
            },
            iter: 400,
            seed: "0000000000000",
            threads: 1);
        Assert.InRange(level, 50, 350);
        Assert.InRange(raised, 50, 350);
    }

    /// <summary>A value that is not finite shows in what weighs it, and in nothing else.</summary>
    [Fact]
    public void RunBlocks_ValueThatIsNotANumber_IsSeenInTheStatesOfItsHead()
    {
        Assert.SkipUnless(CpuFeatures.CanGenerate && CpuFeatures.Avx512Vnni, "no generated code for integers on this processor and system");
        const int HeadSize = 64;
        const int Rows = 3;
        CheckRun(Rows, 2, HeadSize, 2, true, 5, Numbers.Normal(5, 2 * Rows * HeadSize, 0.1f), values => values[7] = float.NaN, states =>
        {
            for (int r = 0; r < 2 * Rows; r++)
            {
                ReadOnlySpan<float> output = states.AsSpan((r * (AttentionGeometry.StateOutput + HeadSize)) + AttentionGeometry.StateOutput, HeadSize);
                Assert.All(output.ToArray(), x => Assert.Equal(r < Rows, float.IsNaN(x)));
            }
        });
    }

    /// <summary>Generated code against <see cref="Q8Block{L,V}"/>; returns the number of blocks that raised a maximum.</summary>
    private static int CheckRun(int rows, int heads, int headSize, int blocks, bool fresh, int seed, float[] queries, Action<float[]> spoilFirstHead, Action<float[]>? see = null)
    {
        var geometry = new AttentionGeometry(new AttentionShape(heads * rows, heads, headSize), new KvLayout(1, heads, headSize, Slots, KvType.Q8));
        KvLayout layout = geometry.Layout;
        byte[] memory = new byte[blocks * layout.BlockBytes];
        int[] table = [.. Enumerable.Range(0, blocks)];
        new Random(seed).Shuffle(table);
        for (int head = 0; head < heads; head++)
        {
            float[] keys = Numbers.Normal(seed + 3 + head, blocks * Slots * headSize);
            float[] values = Numbers.Normal(seed + 103 + head, blocks * Slots * headSize);
            if (head == 0)
            {
                spoilFirstHead(values);
            }

            Append<Lanes128, Vector128<float>>(layout, memory, head, keys, values, blocks * Slots);
        }

        float[] scores = new float[Slots];
        short[] weights = new short[Slots];
        fixed (byte* m = memory)
        fixed (float* q = queries, s = scores)
        fixed (short* w = weights)
        {
            for (int r = 0; r < heads * rows; r++)
            {
                Q8Query.Quantize<Lanes128, Vector128<float>>(q + (r * headSize), headSize);
            }

            (nint address, nint query, nint score, nint weight) = ((nint)m, (nint)q, (nint)s, (nint)w);
            nint Block(int block) => address + (table[block] * layout.BlockBytes);
            return new BlockRunCase(KvType.Q8, rows, heads, headSize, blocks, fresh, seed + 2).Check(q, (block, r) => Block(block) + (r * layout.HeadBytes), (block, states) =>
            {
                fixed (float* e = states)
                {
                    for (int r = 0; r < heads * rows; r++)
                    {
                        float* state = e + (r * geometry.StateFloats);
                        sbyte* row = (sbyte*)((float*)query + (r * headSize));
                        Q8Block<Lanes128, Vector128<float>>.Compute((byte*)Block(block), geometry, r / rows, row, Slots, (float*)score, (short*)weight, state);
                    }
                }

                see?.Invoke(states);
            });
        }
    }

    private static float[] Run<L, V>(AttentionGeometry geometry, byte[] memory, float[] keys, float[] values, float[] query, int seen)
        where L : ILanes<V>
        where V : unmanaged
    {
        KvLayout layout = geometry.Layout;
        Append<L, V>(layout, memory, 0, keys, values, seen);
        float[] row = [.. query];
        float[] state = new float[geometry.StateFloats];
        float[] scores = new float[geometry.PaddedSlots];
        float[] output = new float[layout.HeadSize];
        short[] weights = new short[layout.BlockSize];
        fixed (byte* m = memory)
        fixed (float* r = row, s = scores, st = state, o = output)
        fixed (short* w = weights)
        {
            Q8Query.Quantize<L, V>(r, layout.HeadSize);
            AttentionState<L, V>.Clear(st, geometry.StateFloats);
            for (int first = 0; first < seen; first += layout.BlockSize)
            {
                Q8Block<L, V>.Compute(m + (first / layout.BlockSize * layout.BlockBytes), geometry, 0, (sbyte*)r, Math.Min(layout.BlockSize, seen - first), s, w, st);
            }

            AttentionState<L, V>.Finish(st, layout.HeadSize, o);
        }

        return output;
    }

    private static void Append<L, V>(KvLayout layout, byte[] memory, int head, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, int count)
        where L : ILanes<V>
        where V : unmanaged
    {
        fixed (byte* m = memory)
        fixed (float* k = keys, v = values)
        {
            for (int p = 0; p < count; p++)
            {
                KvAppend<L, V>.Write(k + (p * layout.HeadSize), v + (p * layout.HeadSize), layout, m + (p / layout.BlockSize * layout.BlockBytes), head, p % layout.BlockSize);
            }
        }
    }

    /// <summary>Softmax in powers of two, as the kernels have it.</summary>
    private static float[] Exact(float[] keys, float[] values, float[] query, int headSize)
    {
        int count = keys.Length / headSize;
        double[] scores = [.. Enumerable.Range(0, count).Select(p => Enumerable.Range(0, headSize).Sum(d => (double)query[d] * keys[(p * headSize) + d]))];
        double[] weights = [.. scores.Select(score => Math.Pow(2, score - scores.Max()))];
        return [.. Enumerable.Range(0, headSize).Select(d => (float)(Enumerable.Range(0, count).Sum(p => weights[p] * values[(p * headSize) + d]) / weights.Sum()))];
    }
}
