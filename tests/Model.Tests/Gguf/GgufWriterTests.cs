using CsCheck;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Gguf;

public class GgufWriterTests
{
    [Fact]
    public void Write_EveryKindOfValue_IsReadBack() =>
        Gen.Select(Gen.String, Gen.Int[0, int.MaxValue], Gen.Float, Gen.Bool, Gen.String.Array[0, 5], Gen.Int.Array[0, 5], Gen.Float.Array[0, 5])
            .Sample((text, integer, number, truth, texts, integers, numbers) =>
            {
                GgufWriter writer = new GgufWriter().Add("t", text).Add("i", integer).Add("n", number).Add("b", truth)
                    .Add("ts", texts).Add("is", integers).Add("ns", numbers);

                GgufMetadata metadata = GgufHeader.Parse(Bytes(writer), "memory").Metadata;
                GgufMetadata copy = GgufHeader.Parse(Bytes(metadata.Keys.Aggregate(new GgufWriter(), (w, key) => key == "general.alignment" ? w : w.Copy(metadata, key))), "copy").Metadata;

                foreach (GgufMetadata read in new[] { metadata, copy })
                {
                    Assert.Equal(Utf8(text), read.GetString("t"));
                    Assert.Equal(integer, read.GetInteger("i"));
                    Assert.Equal(number, (float)read.GetFloat("n")!.Value);
                    Assert.Equal(truth, read.GetBool("b"));
                    Assert.Equal(texts.Select(Utf8), read.GetStrings("ts"));
                    Assert.Equal(integers, read.GetIntegers("is"));
                    Assert.Equal(numbers, read.GetFloats("ns"));
                }
            }, iter: 200, seed: "0000KGXjKAz1");

    [Theory]
    [InlineData(32)]
    [InlineData(4096)]
    public void Write_Tensors_AreReadBackAligned(int alignment)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("tensors.gguf");
        float[] vector = [1, 2, 3];
        float[] matrix = [.. Enumerable.Range(0, 64).Select(i => (float)i)];
        new GgufWriter(alignment).AddTensor("vector", GgmlType.F32, 1, 3, vector).AddTensor("matrix", GgmlType.F32, 2, 32, matrix).Write(path);

        using GgufFile file = GgufFile.Open(path);

        Assert.Equal(alignment, file.Header.Alignment);
        Assert.Equal(["vector", "matrix"], file.Header.Tensors.Select(t => t.Name));
        Assert.All(file.Header.Tensors, tensor => Assert.Equal(0, tensor.Offset % alignment));
        Assert.Equal(vector, Values(file.Tensors["vector"]));
        Assert.Equal((2, 32), (file.Tensors["matrix"].Rows, file.Tensors["matrix"].Columns));
        Assert.Equal(matrix, Values(file.Tensors["matrix"]));
    }

    private static byte[] Bytes(GgufWriter writer)
    {
        using var stream = new MemoryStream();
        writer.Write(stream);
        return stream.ToArray();
    }

    // Unpaired surrogates have no UTF-8.
    private static string Utf8(string text) => System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));

    private static float[] Values(TensorData tensor)
    {
        var values = new float[tensor.Rows * tensor.Columns];
        for (int row = 0; row < tensor.Rows; row++)
        {
            Dequantizer.DequantizeRow(tensor.Type, tensor.Row(row), values.AsSpan(row * tensor.Columns, tensor.Columns));
        }

        return values;
    }

    [Theory]
    [InlineData(0, 32)]
    [InlineData(1, 0)]
    public void AddTensor_WithoutRowsOrColumns_Refused(int rows, int columns) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new GgufWriter().AddTensor("empty", GgmlType.F32, rows, columns, ReadOnlyMemory<float>.Empty));
}
