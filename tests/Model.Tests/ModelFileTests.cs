using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests;

public class ModelFileTests
{
    public static TheoryData<string> GoldenModels => [.. GoldenFolder.Default.ModelNames];

    [Fact]
    public void Open_BundledModel_HasItsConfig()
    {
        using var model = ModelFile.Open(ModelFiles.Bundled);

        ModelConfig config = model.Config;
        Assert.Equal(("llama", "Grid Tiny"), (config.Architecture, config.Name));
        Assert.Equal((6, 192, 3, 1, 64, 512), (config.Layers, config.Width, config.Heads, config.KvHeads, config.HeadSize, config.FeedForward));
        Assert.Equal((2048, 4096, 1e-5f), (config.VocabularySize, config.ContextLength, config.NormEpsilon));
        Assert.Equal((true, false, false), (config.TiedEmbeddings, config.AttentionBias, config.QkNorm));
        Assert.Equal((RopeStyle.Interleaved, 64, 1f), (config.Rope.Style, config.Rope.Dimensions, config.Rope.Magnitude));
        Assert.Equal(32, config.Rope.InverseFrequencies.Count);
        Assert.Equal((float)Math.Pow(10_000, -2.0 * 5 / 64), config.Rope.InverseFrequencies[5]);
        Assert.Same(model.Weights.TokenEmbeddings, model.Weights.Output);
        Assert.Equal(6, model.Weights.Layers.Count);
        Assert.Matches("^[0-9a-f]{64}$", model.Fingerprint);
    }

    [Theory]
    [InlineData(ModelFiles.SmolLM2Name, 30, 49_152, true, 100_000)]
    [InlineData("stories260K.gguf", 5, 512, false, 10_000)]
    public void Open_ModelOfOthers_HasItsConfig(string name, int layers, int vocabulary, bool tied, double ropeBase)
    {
        string? path = ModelFiles.Find(name);
        Assert.SkipWhen(path is null, ModelFiles.Absent(name));

        using var model = ModelFile.Open(path);

        ModelConfig config = model.Config;
        Assert.Equal((layers, vocabulary, tied), (config.Layers, config.VocabularySize, config.TiedEmbeddings));
        Assert.Equal(Math.Pow(ropeBase, -2.0 / config.HeadSize), config.Rope.InverseFrequencies[1], 1e-7);
    }

    [Theory]
    [MemberData(nameof(GoldenModels))]
    public void Open_GoldenModel_FollowsItsArchitecture(string name)
    {
        using var model = ModelFile.Open(GoldenFolder.Default.FindModel(name + ".gguf")!);

        ModelConfig config = model.Config;
        LayerWeights layer = model.Weights.Layers[1];
        Assert.Equal(config.Architecture == "qwen2", config.AttentionBias);
        Assert.Equal(config.AttentionBias, layer.QueryBias is not null && layer.KeyBias is not null && layer.ValueBias is not null);
        Assert.Equal(config.Architecture == "qwen3", config.QkNorm);
        Assert.Equal(config.QkNorm, layer.QueryNorm is not null && layer.KeyNorm is not null);
        Assert.Equal(config.Architecture == "llama" ? RopeStyle.Interleaved : RopeStyle.Halves, config.Rope.Style);
        Assert.Equal(config.Heads * config.HeadSize, layer.Query.Rows);
        Assert.Equal(config.TiedEmbeddings, ReferenceEquals(model.Weights.Output, model.Weights.TokenEmbeddings));
    }

    [Fact]
    public void Open_RopeFactors_DivideTheFrequencies()
    {
        string? path = GoldenFolder.Default.FindModel("llama3rope-F32.gguf");
        Assert.SkipWhen(path is null, $"{GoldenFolder.Default.Path} does not hold llama3rope-F32");
        using GgufFile file = GgufFile.Open(path);
        using var model = ModelFile.Open(path);
        var factors = new float[16];
        Dequantizer.DequantizeRow(GgmlType.F32, file.Tensors["rope_freqs.weight"].Row(0), factors);

        for (int pair = 0; pair < factors.Length; pair++)
        {
            Assert.Equal((float)(Math.Pow(10_000, -2.0 * pair / 32) / factors[pair]), model.Config.Rope.InverseFrequencies[pair]);
        }

        Assert.Contains(factors, factor => factor != 1f);
    }

    [Fact]
    public void Open_SameFileTwice_HasTheSameFingerprintAndAnotherFileAnother()
    {
        using var folder = new TemporaryFolder();
        string copy = folder.Combine("copy.gguf");
        byte[] bytes = File.ReadAllBytes(ModelFiles.Bundled);
        File.WriteAllBytes(copy, bytes);
        using var first = ModelFile.Open(ModelFiles.Bundled);
        using (var second = ModelFile.Open(copy))
        {
            Assert.Equal(first.Fingerprint, second.Fingerprint);
        }

        // The first byte of the data section: one weight differs.
        bytes[GgufHeader.Parse(bytes, "copy").DataOffset] ^= 1;
        File.WriteAllBytes(copy, bytes);
        using var changed = ModelFile.Open(copy);
        Assert.NotEqual(first.Fingerprint, changed.Fingerprint);
    }
}
