using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests;

public class RandomModelTests
{
    public static TheoryData<GgmlType> Types => [.. Enum.GetValues<GgmlType>()];

    [Theory]
    [MemberData(nameof(Types))]
    public void Write_AnyType_OpensWithWeightsOfTheScaleAskedFor(GgmlType type)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("model.gguf");
        RandomModel.Write(path, new RandomModelOptions { Shape = RandomModelShape.Small, GgmlType = type });

        using var model = ModelFile.Open(path);

        TensorData up = model.Weights.Layers[0].Up;
        Assert.Equal(type, up.Type);
        double squares = 0;
        var values = new float[up.Columns];
        for (int row = 0; row < up.Rows; row++)
        {
            Dequantizer.DequantizeRow(type, up.Row(row), values);
            squares += values.Sum(value => (double)value * value);
        }

        Assert.InRange(Math.Sqrt(squares / up.Rows), 0.97, 1.03);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void Write_AnyArchitecture_OpensWithItsVocabularyPadded(string architecture)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("model.gguf");
        RandomModelShape shape = RandomModelShape.Small with { VocabularySize = 2100, TiedEmbeddings = false, HeadSize = 32, Width = 96, FeedForward = 100 };
        RandomModel.Write(path, new RandomModelOptions { Shape = shape, Architecture = architecture, GgmlType = GgmlType.F16 });

        using var model = ModelFile.Open(path);

        ModelConfig config = model.Config;
        Assert.Equal((architecture, 2, 96, 32, 100), (config.Architecture, config.Layers, config.Width, config.HeadSize, config.FeedForward));
        Assert.Equal((2100, false), (config.VocabularySize, config.TiedEmbeddings));
        Assert.Equal((architecture == "qwen2", architecture == "qwen3"), (config.AttentionBias, config.QkNorm));
        Assert.Equal(2100, model.Metadata.GetStrings("tokenizer.ggml.tokens")!.Distinct().Count());
        Assert.NotNull(model.Metadata.GetString("tokenizer.chat_template"));
    }

    [Fact]
    public void Write_SameSeed_WritesTheSameBytesAndAnotherSeedOthers()
    {
        using var folder = new TemporaryFolder();
        var options = new RandomModelOptions { Shape = RandomModelShape.Small, GgmlType = GgmlType.Q4_K };
        RandomModel.Write(folder.Combine("a.gguf"), options);
        RandomModel.Write(folder.Combine("b.gguf"), options);
        RandomModel.Write(folder.Combine("c.gguf"), options with { Seed = 2 });

        Assert.Equal(File.ReadAllBytes(folder.Combine("a.gguf")), File.ReadAllBytes(folder.Combine("b.gguf")));
        Assert.NotEqual(File.ReadAllBytes(folder.Combine("a.gguf")), File.ReadAllBytes(folder.Combine("c.gguf")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Write_PlainTextOnly_LeavesOtherTokensWithoutLogits(bool tied)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("model.gguf");
        RandomModel.Write(path, new RandomModelOptions { Shape = RandomModelShape.Small with { TiedEmbeddings = tied }, SaysPlainText = true });

        using var model = ModelFile.Open(path);

        string[] tokens = model.Metadata.GetStrings("tokenizer.ggml.tokens")!;
        int[] silent = [.. Enumerable.Range(0, tokens.Length).Where(token => model.Weights.Output.Row(token).IndexOfAnyExcept((byte)0) < 0)];
        Assert.Contains(Array.IndexOf(tokens, "é"), silent);
        Assert.Contains(Array.IndexOf(tokens, "<|im_end|>"), silent);
        Assert.DoesNotContain(Array.IndexOf(tokens, "e"), silent);
        Assert.DoesNotContain(Array.IndexOf(tokens, "Ġ"), silent);
        Assert.InRange(silent.Length, 1, tokens.Length / 2);
    }
}
