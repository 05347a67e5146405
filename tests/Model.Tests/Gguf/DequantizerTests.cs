using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Gguf;

public class DequantizerTests
{
    // Largest error per type, relative to the root mean square of the tensor: what the steps of each type leave.
    public static TheoryData<string, double> QuantisedModels => new()
    {
        { "llama-F16", 0.002 }, { "llama-BF16", 0.02 }, { "llama-Q8_0", 0.03 }, { "llama-Q6_K", 0.2 }, { "llama-Q5_0", 0.4 },
        { "llama-Q5_1", 0.4 }, { "llama-Q5_K", 0.4 }, { "llama-Q4_0", 0.7 }, { "llama-Q4_1", 0.7 }, { "llama-Q4_K", 0.7 },
    };

    [Theory]
    [MemberData(nameof(QuantisedModels))]
    public void DequantizeRow_QuantisedModel_IsNearTheF32Model(string name, double tolerance)
    {
        string? quantised = GoldenFolder.Default.FindModel(name + ".gguf");
        string? original = GoldenFolder.Default.FindModel("llama-F32.gguf");
        Assert.SkipWhen(quantised is null || original is null, $"{GoldenFolder.Default.Path} does not hold {name} and llama-F32");
        using GgufFile file = GgufFile.Open(quantised);
        using GgufFile reference = GgufFile.Open(original);

        foreach (TensorData tensor in file.Tensors.Values)
        {
            TensorData exact = reference.Tensors[tensor.Name];
            var actual = new float[tensor.Columns];
            var expected = new float[tensor.Columns];
            for (int row = 0; row < tensor.Rows; row++)
            {
                Dequantizer.DequantizeRow(tensor.Type, tensor.Row(row), actual);
                Dequantizer.DequantizeRow(exact.Type, exact.Row(row), expected);
                double scale = Math.Sqrt(expected.Sum(v => (double)v * v) / expected.Length);
                for (int i = 0; i < actual.Length; i++)
                {
                    Assert.InRange(Math.Abs(actual[i] - expected[i]), 0, tolerance * scale);
                }
            }
        }
    }

    [Fact]
    public void DequantizeRow_LengthsThatDisagree_Throws()
    {
        Assert.Throws<ArgumentException>(() => Dequantizer.DequantizeRow(GgmlType.Q8_0, new byte[33], new float[32]));
        Assert.Throws<ArgumentException>(() => Dequantizer.DequantizeRow(GgmlType.Q8_0, new byte[34], new float[31]));
        Assert.Throws<ArgumentException>(() => Dequantizer.DequantizeRow(GgmlType.F32, new byte[8], new float[1]));
    }
}
