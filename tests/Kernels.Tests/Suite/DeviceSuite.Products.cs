using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Suite;

public abstract partial class DeviceSuite
{
    private const float Epsilon = 1e-5f;

    /// <summary>Rows of the batch, input features (whole blocks of the type), output features.</summary>
    private IEnumerable<(int Rows, int Columns, int Outputs)> ProductShapes(GgmlType type)
    {
        int unit = type.BlockElements();
        // Several rows even of one output: a single sum that happens to cancel says nothing about the error.
        yield return (16, Math.Max(unit, 64), 1);
        yield return (3, unit * 2, 17);
        yield return (2, unit == 1 ? 172 : unit * 3, 40);
        yield return (9, unit == 1 ? 96 : unit * 1, 33);
        if (!SmallShapesOnly)
        {
            yield return (1, Math.Max(unit, 32) * 8, 576);
            yield return (8, Math.Max(unit, 32) * 6, 160);
            yield return (37, Math.Max(unit, 32) * 7, 130);
            yield return (70, Math.Max(unit, 32) * 2, 48);
        }
    }

    [Theory]
    [MemberData(nameof(AllTypes))]
    public void Embed_AnyType_EqualsDequantisedRows(GgmlType type)
    {
        int columns = Math.Max(type.BlockElements(), 64);
        TensorData table = Numbers.Matrix(type, 64, columns, 1);
        StepBatch batch = Rows(11);
        AssertClose(
            OnBoth(device =>
            {
                using Matrix embeddings = device.LoadMatrix(table);
                using Tensor output = device.AllocateTensor(16, columns);
                device.BeginStep(batch);
                device.Embed(embeddings, output);
                return ReadAll(device, output, 11);
            }),
            1e-6,
            $"embed {type}");
    }

    [Theory]
    [MemberData(nameof(AllTypes))]
    public void NormedProjection_AnyTypeAndShape_MatchesReference(GgmlType type)
    {
        foreach ((int rows, int columns, int outputs) in ProductShapes(type))
        {
            TensorData first = Numbers.Matrix(type, outputs, columns, 2);
            TensorData second = Numbers.Matrix(type, outputs + 5, columns, 3);
            StepBatch batch = Rows(rows);
            AssertClose(
                OnBoth(device =>
                {
                    using Matrix a = device.LoadMatrix(first);
                    using Matrix b = device.LoadMatrix(second);
                    using Vector bias = device.LoadVector(TensorData.FromFloats("bias", 1, outputs + 5, Numbers.Normal(4, outputs + 5)));
                    using Vector norm = device.LoadVector(TensorData.FromFloats("norm", 1, columns, Numbers.Normal(5, columns)));
                    using Tensor input = Filled(device, rows, columns, 6, 3f);
                    using Tensor outA = device.AllocateTensor(rows, outputs);
                    using Tensor outB = device.AllocateTensor(rows, outputs + 5);
                    device.BeginStep(batch);
                    device.NormedProjection(input, norm, Epsilon, [new Projection(a, null, outA), new Projection(b, bias, outB)]);
                    return [.. ReadAll(device, outA, rows), .. ReadAll(device, outB, rows)];
                }),
                ProductTolerance(type),
                $"normed projection {type}, {rows} rows, {columns} → {outputs}");
        }
    }

    [Theory]
    [MemberData(nameof(AllTypes))]
    public void ResidualProjection_AnyTypeAndShape_MatchesReference(GgmlType type)
    {
        foreach ((int rows, int columns, int outputs) in ProductShapes(type))
        {
            TensorData weights = Numbers.Matrix(type, outputs, columns, 7);
            StepBatch batch = Rows(rows);
            AssertClose(
                OnBoth(device =>
                {
                    using Matrix matrix = device.LoadMatrix(weights);
                    using Vector bias = device.LoadVector(TensorData.FromFloats("bias", 1, outputs, Numbers.Normal(8, outputs, 0.1f)));
                    using Tensor input = Filled(device, rows, columns, 9);
                    using Tensor residual = Filled(device, rows, outputs, 10, 0.1f);
                    device.BeginStep(batch);
                    device.ResidualProjection(input, matrix, null, residual);
                    device.ResidualProjection(input, matrix, bias, residual);
                    return ReadAll(device, residual, rows);
                }),
                ProductTolerance(type),
                $"residual projection {type}, {rows} rows, {columns} → {outputs}");
        }
    }

    [Theory]
    [MemberData(nameof(AllTypes))]
    public void GatedFeedForward_AnyType_MatchesReference(GgmlType type)
    {
        int unit = Math.Max(type.BlockElements(), 32);
        (int rows, int hidden)[] shapes = SmallShapesOnly ? [(1, unit), (5, unit * 2)] : [(1, unit * 3), (5, unit * 2), (34, unit * 3)];
        foreach ((int rows, int hidden) in shapes)
        {
            TensorData gateData = Numbers.Matrix(type, hidden, unit, 11);
            TensorData upData = Numbers.Matrix(type, hidden, unit, 12);
            TensorData downData = Numbers.Matrix(type, unit, hidden, 13);
            StepBatch batch = Rows(rows);
            AssertClose(
                OnBoth(device =>
                {
                    using Matrix gate = device.LoadMatrix(gateData);
                    using Matrix up = device.LoadMatrix(upData);
                    using Matrix down = device.LoadMatrix(downData);
                    using Vector norm = device.LoadVector(TensorData.FromFloats("norm", 1, unit, Numbers.Normal(14, unit)));
                    using Tensor residual = Filled(device, rows, unit, 15, 0.01f);
                    device.BeginStep(batch);
                    device.GatedFeedForward(residual, norm, Epsilon, gate, up, down);
                    return ReadAll(device, residual, rows);
                }),
                // Three products in a row: errors of quantised activations add up.
                2 * ProductTolerance(type),
                $"gated feed-forward {type}, {rows} rows, {unit} → {hidden}");
        }
    }

    [Theory]
    [InlineData(GgmlType.F32)]
    [InlineData(GgmlType.F16)]
    [InlineData(GgmlType.Q8_0)]
    [InlineData(GgmlType.Q4_1)]
    [InlineData(GgmlType.Q6_K)]
    public void Logits_SomeRowsSampled_MatchReferenceInOrder(GgmlType type)
    {
        int width = Math.Max(type.BlockElements(), 64);
        TensorData outputData = Numbers.Matrix(type, 99, width, 16);
        var batch = new StepBatch(16, 4);
        batch.AddSequence([1, 2, 3], 0, [0], 32, 1);
        batch.AddSequence([4, 5], 0, [1], 32, 0);
        batch.AddSequence([6], 5, [2], 32, 1);
        batch.AddSequence([7, 8, 9], 0, [3], 32, 2);
        AssertClose(
            OnBoth(device =>
            {
                using Matrix output = device.LoadMatrix(outputData);
                using Vector norm = device.LoadVector(TensorData.FromFloats("norm", 1, width, Numbers.Normal(17, width)));
                using Tensor hidden = Filled(device, 16, width, 18);
                using Tensor logits = device.AllocateTensor(16, 99);
                device.BeginStep(batch);
                device.Logits(hidden, norm, Epsilon, output, logits);
                return ReadAll(device, logits, 4);
            }),
            ProductTolerance(type),
            $"logits {type}");
    }

    [Fact]
    public void TopCandidates_WithTies_OrderedByValueThenId()
    {
        const int Vocabulary = 1000;
        float[] values = Numbers.Normal(19, 3 * Vocabulary);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = MathF.Round(values[i] * 4) / 4;
        }

        foreach (int count in (int[])[1, 2, 40])
        {
            AssertClose(
                OnBoth(device =>
                {
                    using Tensor logits = device.AllocateTensor(4, Vocabulary);
                    device.Write(logits, 0, 3, values);
                    int[] ids = new int[3 * count];
                    float[] top = new float[3 * count];
                    device.TopCandidates(logits, 3, count, ids, top);
                    return [.. ids.Select(i => (float)i), .. top];
                }),
                0,
                $"top {count}");
        }
    }

    [Fact]
    public void TopCandidates_RowsWithWhatIsNoNumber_HaveItFirst()
    {
        const int Vocabulary = 1000;
        var random = new Random(21);
        float[] strange =
        [
            float.NaN, -float.NaN, BitConverter.Int32BitsToSingle(0x7F800001), float.PositiveInfinity, float.NegativeInfinity, float.MaxValue,
            1e-40f,
        ];
        for (int round = 0; round < 40; round++)
        {
            float[] values = round % 4 == 3
                ? [.. Enumerable.Repeat(float.NegativeInfinity, 3 * Vocabulary)]
                : Numbers.Normal(round, 3 * Vocabulary);
            for (int i = random.Next(1, 90); i > 0; i--)
            {
                // Few of them, or many; at the ends too.
                int end = (random.Next(3) * Vocabulary) + ((Vocabulary - 1) * random.Next(2));
                values[random.Next(4) == 0 ? end : random.Next(values.Length)] = strange[random.Next(strange.Length)];
            }

            foreach (int count in (int[])[1, 2, 40])
            {
                (float[] expected, float[] actual) = OnBoth(device =>
                {
                    using Tensor logits = device.AllocateTensor(4, Vocabulary);
                    device.Write(logits, 0, 3, values);
                    int[] ids = new int[3 * count];
                    float[] top = new float[3 * count];
                    device.TopCandidates(logits, 3, count, ids, top);
                    return [.. ids.Select(i => (float)i), .. top];
                });
                Assert.Equal(expected, actual);
                for (int row = 0; row < 3; row++)
                {
                    float[] all = values[(row * Vocabulary)..((row + 1) * Vocabulary)];
                    bool valid = all.All(value => value < float.PositiveInfinity) && all.Any(float.IsFinite);
                    Assert.Equal(valid, float.IsFinite(actual[(3 * count) + (row * count)]));
                }
            }
        }
    }
}
