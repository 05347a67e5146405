using System.Runtime.InteropServices;
using System.Security.Cryptography;
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

    // SHA-256 over what ggml's own dequantize_row_* (libggml-base 0.18.1) makes of 200 blocks of the bytes of RandomBytes,
    // every NaN written as 7fc00000. The bytes hold every kind of half: negative, denormal, infinite, NaN.
    public static TheoryData<GgmlType, string> GgmlChecksums => new()
    {
        { GgmlType.Q4_0, "df1be7eba24ea77fbf312d44ee2e0440b46a5fc3184585e59f91d3f055646d99" },
        { GgmlType.Q4_1, "858f6d040687bac2afd12463e38d65850cf4252efde3408f74b88cbc3dab6da3" },
        { GgmlType.Q5_0, "ba97352b642e8dd7f90ae68c1e1c9e82643bc8f804c99806d45c2bacdbb70849" },
        { GgmlType.Q5_1, "7e0f2488cda969ab9caf93f300bcbed4917a1e95f7b4aafd122e3b44f3dd0b12" },
        { GgmlType.Q8_0, "712f35ff9f8ddc9b70dff9db4962f598539a74f57b8ad24ad947677c7b855a4d" },
        { GgmlType.Q4_K, "0d6c6484c24bf22515dc40de80e14382a68903694544db0c6899aa4c70eb48fb" },
        { GgmlType.Q5_K, "92d7445aaef72ae017ab6fdf0e76894c17f1067aa36ace024157be57675f7ca6" },
        { GgmlType.Q6_K, "b7f54773ac5d6653f52fcb68b23d2ec5814ada2d038887107377ca4a41ec3625" },
    };

    [Theory]
    [MemberData(nameof(GgmlChecksums))]
    public void DequantizeRow_RandomBlocks_EqualsGgmlToTheBit(GgmlType type, string sha256)
    {
        const int Blocks = 200;
        var values = new float[Blocks * type.BlockElements()];

        Dequantizer.DequantizeRow(type, RandomBytes(Blocks * type.BlockBytes()), values);

        uint[] bits = [.. values.Select(v => float.IsNaN(v) ? 0x7fc0_0000 : BitConverter.SingleToUInt32Bits(v))];
        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<uint>(bits))));
    }

    [Theory]
    [InlineData(GgmlType.F16, 0x3c00, 1f)]
    [InlineData(GgmlType.F16, 0x8001, -5.9604645e-8f)]
    [InlineData(GgmlType.F16, 0x7bff, 65504f)]
    [InlineData(GgmlType.BF16, 0x3f80, 1f)]
    [InlineData(GgmlType.BF16, 0xc049, -3.140625f)]
    [InlineData(GgmlType.BF16, 0x0001, 9.18355e-41f)]
    public void DequantizeRow_SixteenBitFloats_IsTheNumber(GgmlType type, int bits, float expected)
    {
        var values = new float[1];

        Dequantizer.DequantizeRow(type, BitConverter.GetBytes((ushort)bits), values);

        Assert.Equal(expected, values[0]);
    }

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

    /// <summary>Bits 8 to 15 of the states of xorshift32, seed 12345.</summary>
    private static byte[] RandomBytes(int count)
    {
        uint state = 12345;
        var bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            bytes[i] = (byte)(state >> 8);
        }

        return bytes;
    }
}
