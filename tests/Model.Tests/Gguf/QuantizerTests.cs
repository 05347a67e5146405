using CsCheck;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Gguf;

public class QuantizerTests
{
    // Half a step of a type's levels over the range −1 … 1, with room for the rounding of scales.
    public static TheoryData<GgmlType, float> Errors => new()
    {
        { GgmlType.F32, 0f }, { GgmlType.F16, 0.0003f }, { GgmlType.BF16, 0.002f }, { GgmlType.Q8_0, 0.0045f }, { GgmlType.Q6_K, 0.05f },
        { GgmlType.Q5_K, 0.065f }, { GgmlType.Q5_1, 0.035f }, { GgmlType.Q5_0, 0.066f }, { GgmlType.Q4_K, 0.11f }, { GgmlType.Q4_1, 0.07f }, { GgmlType.Q4_0, 0.13f },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public void QuantizeRow_ValuesUpToOne_ComeBackWithinAStep(GgmlType type, float tolerance) =>
        Gen.Float[-1, 1].Array[512].Sample(
            values =>
            {
                var blocks = new byte[type.RowBytes(values.Length)];
                var back = new float[values.Length];
                Quantizer.QuantizeRow(type, values, blocks);
                Dequantizer.DequantizeRow(type, blocks, back);
                for (int i = 0; i < values.Length; i++)
                {
                    Assert.InRange(MathF.Abs(values[i] - back[i]), 0, tolerance);
                }
            },
            iter: 100,
            seed: "0000KGXjKAz1");

    [Theory]
    [InlineData(GgmlType.F16)]
    [InlineData(GgmlType.BF16)]
    [InlineData(GgmlType.Q8_0)]
    [InlineData(GgmlType.Q4_0)]
    [InlineData(GgmlType.Q4_1)]
    [InlineData(GgmlType.Q5_0)]
    [InlineData(GgmlType.Q5_1)]
    public void QuantizeRow_GoldenWeights_AreTheBytesOfLlamaCppsQuantiser(GgmlType type)
    {
        string? original = GoldenFolder.Default.FindModel("llama-F32.gguf");
        string? quantised = GoldenFolder.Default.FindModel($"llama-{type}.gguf");
        Assert.SkipWhen(original is null || quantised is null, $"{GoldenFolder.Default.Path} does not hold llama-F32 and llama-{type}");
        using GgufFile source = GgufFile.Open(original);
        using GgufFile expected = GgufFile.Open(quantised);

        foreach (TensorData tensor in expected.Tensors.Values.Where(tensor => tensor.Type == type))
        {
            var values = new float[tensor.Columns];
            var blocks = new byte[tensor.RowBytes];
            for (int row = 0; row < tensor.Rows; row++)
            {
                Dequantizer.DequantizeRow(GgmlType.F32, source.Tensors[tensor.Name].Row(row), values);
                Quantizer.QuantizeRow(type, values, blocks);
                Assert.Equal(tensor.Row(row), blocks);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Errors))]
    public void QuantizeRow_Zeros_ComeBackAsZeros(GgmlType type, float tolerance)
    {
        var blocks = new byte[type.RowBytes(256)];
        var back = new float[256];
        Array.Fill(back, tolerance + 1);

        Quantizer.QuantizeRow(type, new float[256], blocks);
        Dequantizer.DequantizeRow(type, blocks, back);

        Assert.All(back, value => Assert.Equal(0f, value));
    }
}
