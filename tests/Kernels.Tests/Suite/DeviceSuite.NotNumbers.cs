using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Suite;

/// <content>What is not a number in a row's inputs shows in that row's outputs, and in no other's.</content>
public abstract partial class DeviceSuite
{
    /// <summary>Not a number, of either sign and with a payload; the infinities.</summary>
    private static readonly float[] NotFinite =
        [float.NaN, -float.NaN, BitConverter.UInt32BitsToSingle(0x7FC12345), float.PositiveInfinity, float.NegativeInfinity];

    public static TheoryData<int, int, int, KvType> NotNumberShapes => new()
    {
        { 6, 3, 64, KvType.F16 },
        { 3, 1, 64, KvType.F32 },
        { 4, 2, 8, KvType.F16 },
        { 4, 4, 32, KvType.F16 },
    };

    [Theory]
    [MemberData(nameof(AllTypes))]
    public void Products_NotFiniteInOneRow_ShowsInEachOutputOfThatRowAlone(GgmlType type)
    {
        int unit = Math.Max(type.BlockElements(), 32);
        int columns = SmallShapesOnly ? unit : unit * 2;
        int spoiled = SmallShapesOnly ? 1 : 4;
        using Matrix weights = Device.LoadMatrix(Numbers.Matrix(type, columns, columns, 31));
        using Matrix other = Device.LoadMatrix(Numbers.Matrix(type, columns, columns, 32));
        using Vector norm = Device.LoadVector(TensorData.FromFloats("norm", 1, columns, Numbers.Normal(33, columns)));
        foreach (int rows in SmallShapesOnly ? (int[])[4] : [1, 2, 5, 8, 11])
        {
            int row = Math.Min(spoiled, rows - 1);
            float[] inputs = Numbers.Normal(34, rows * columns);
            float[][] clean = Run(inputs, rows);
            Assert.All(clean, output => Assert.All(output, x => Assert.True(float.IsFinite(x))));
            foreach (float number in SmallShapesOnly ? [float.NaN] : NotFinite)
            {
                foreach (int column in SmallShapesOnly ? [17] : (int[])[0, 7, 17, 31, columns - 1])
                {
                    float[] changed = [.. inputs];
                    changed[(row * columns) + column] = number;
                    float[][] actual = Run(changed, rows);
                    for (int i = 0; i < clean.Length; i++)
                    {
                        AssertShowsInRow(clean[i], actual[i], columns, row, $"{(Operation)i} {type}, {rows} rows, {number} in column {column}");
                    }
                }
            }
        }

        float[][] Run(float[] values, int rows)
        {
            using Tensor input = Device.AllocateTensor(rows, columns);
            using Tensor projected = Device.AllocateTensor(rows, columns);
            using Tensor residual = Device.AllocateTensor(rows, columns);
            using Tensor feedForward = Device.AllocateTensor(rows, columns);
            using Tensor logits = Device.AllocateTensor(rows, columns);
            Device.Write(input, 0, rows, values);
            Device.Write(feedForward, 0, rows, values);
            Device.BeginStep(Rows(rows));
            Device.NormedProjection(input, norm, Epsilon, [new Projection(weights, null, projected)]);
            Device.ResidualProjection(input, other, null, residual);
            Device.GatedFeedForward(feedForward, norm, Epsilon, weights, other, weights);
            Device.Logits(input, norm, Epsilon, other, logits);
            return [ReadAll(Device, projected, rows), ReadAll(Device, residual, rows), ReadAll(Device, feedForward, rows), ReadAll(Device, logits, rows)];
        }
    }

    [Theory]
    [MemberData(nameof(NotNumberShapes))]
    public void Attention_NotFiniteKeyValueOrQuery_ShowsInEveryRowThatReadsItAndInNoOther(int heads, int kvHeads, int headSize, KvType type)
    {
        var shape = new AttentionShape(heads, kvHeads, headSize);
        int tokens = SmallShapesOnly ? 36 : 300;
        (int[] positions, int[] chunks) = SmallShapesOnly ? ((int[])[33], (int[])[36, 20]) : ([0, 5, 40, 255, 256, 290, 299], [300, 64, 7, 1]);
        float[] numbers = SmallShapesOnly ? [float.NaN, float.NegativeInfinity] : NotFinite;
        using AttentionRig rig = Rig(Device, shape, type);
        float[] clean = rig.Run([(tokens, tokens)]);
        foreach (int chunk in chunks)
        {
            // With one position a step, each kind of number everywhere would take minutes.
            foreach (int position in chunk == 1 ? positions[^3..] : positions)
            {
                foreach (float number in chunk == 1 ? [numbers[position % numbers.Length]] : numbers)
                {
                    foreach (ChangeOf of in Enum.GetValues<ChangeOf>())
                    {
                        int column = (of == ChangeOf.Query ? heads : kvHeads) * headSize * 2 / 3;
                        rig.Change = new Change(of, position, column, number);
                        AssertShowsInHeads(clean, rig.Run([(tokens, chunk)]), shape, rig.Change.Value);
                    }
                }
            }
        }

        rig.Change = new Change(ChangeOf.Key, positions[^1], 0, float.NaN);
        float[] company = rig.Run([(tokens, 20), (tokens - 3, 13)], result: 1);
        rig.Change = null;
        Assert.Equal(rig.Run([(tokens - 3, tokens - 3)]), company);
    }

    /// <summary>What a block held before, or what its memory began with, counts for nothing.</summary>
    [Theory]
    [MemberData(nameof(AttentionShapes))]
    public void Attention_CacheThatHeldAnything_SameBitsAsZeroed(int heads, int kvHeads, int headSize, KvType type)
    {
        var shape = new AttentionShape(heads, kvHeads, headSize);
        (int Tokens, int Chunk)[][] runs = SmallShapesOnly
            ? [[(1, 1), (33, 20), (36, 32)]]
            : [[(1, 1), (31, 31), (33, 5), (100, 64), (300, 300), (290, 33)], [(300, 1), (45, 1)]];
        foreach ((int Tokens, int Chunk)[] sequences in runs)
        {
            float[] expected = Run(0, sequences);
            Assert.All(expected, x => Assert.True(float.IsFinite(x)));

            // Not numbers of either sign in F16 and F32 (and in the scales of Q8), and infinities.
            foreach (uint word in SmallShapesOnly ? [0xFFFFFFFF, 0x7C007C00, 0x7F800000] : (uint[])[0xFFFFFFFF, 0x7E007E00, 0x7C007C00, 0xFC00FC00, 0x7F800000, 0xFF800000, 0x7FC00000])
            {
                Assert.Equal(expected, Run(word, sequences));
            }
        }

        float[] Run(uint word, (int Tokens, int Chunk)[] sequences)
        {
            using var rig = new AttentionRig(Device, shape, type, headNorm: false, RopeStyle.Halves) { Unwritten = word };
            return rig.Run(sequences);
        }
    }

    private static void AssertShowsInRow(float[] clean, float[] actual, int columns, int row, string what)
    {
        for (int i = 0; i < clean.Length; i++)
        {
            if (i / columns == row)
            {
                Assert.False(float.IsFinite(actual[i]), $"{what}: output {i % columns} is {actual[i]}");
            }
            else
            {
                Assert.True(clean[i].Equals(actual[i]), $"{what}: row {i / columns} has changed");
            }
        }
    }

    private static void AssertShowsInHeads(float[] clean, float[] actual, AttentionShape shape, Change change)
    {
        int headSize = shape.HeadSize;
        int group = change.Of == ChangeOf.Query ? 1 : shape.Heads / shape.KvHeads;
        for (int i = 0; i < clean.Length; i += headSize)
        {
            (int position, int head) = (i / headSize / shape.Heads, i / headSize % shape.Heads);
            bool reads = head / group == change.Column / headSize && (change.Of == ChangeOf.Query ? position == change.Position : position >= change.Position);
            bool shows = !actual.AsSpan(i, headSize).ToArray().All(float.IsFinite);
            Assert.True(shows == reads, $"{change}: head {head} of position {position} {(reads ? "hides it" : "shows it")}");
            Assert.True(reads || clean.AsSpan(i, headSize).SequenceEqual(actual.AsSpan(i, headSize)), $"{change}: head {head} of position {position} has changed");
        }
    }

    private enum Operation
    {
        NormedProjection,
        ResidualProjection,
        GatedFeedForward,
        Logits,
    }
}
