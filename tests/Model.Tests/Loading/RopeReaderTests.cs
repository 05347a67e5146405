using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tests.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Loading;

public sealed class RopeReaderTests : IDisposable
{
    // TinyModel: 4 heads of 8, context 4096; pair i turns 10000^(−i/4) per position.
    private static readonly float[] Unscaled = [1f, 0.1f, 0.01f, 0.001f];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama", RopeStyle.Interleaved)]
    [InlineData("qwen2", RopeStyle.Halves)]
    public void Read_NoScaling_IsPlainRope(string architecture, RopeStyle style)
    {
        RopeParameters rope = Read(new TinyModel(architecture));

        Assert.Equal((style, 8, 1f), (rope.Style, rope.Dimensions, rope.Magnitude));
        AssertFrequencies(Unscaled, rope);
    }

    [Fact]
    public void Read_OtherBase_IsUsed() => AssertFrequencies([1f, 0.03162278f, 0.001f, 3.162278e-5f], Read(new TinyModel().Set("rope.freq_base", 1e6f)));

    [Theory]
    [InlineData("rope.scaling.factor")]
    [InlineData("rope.scale_linear")]
    public void Read_Linear_DividesEveryFrequency(string key) =>
        AssertFrequencies([0.25f, 0.025f, 0.0025f, 0.00025f], Read(new TinyModel().Set(key, 4f)));

    [Fact]
    public void Read_None_IgnoresTheFactor() =>
        AssertFrequencies(Unscaled, Read(new TinyModel().Set("rope.scaling.type", "none").Set("rope.scaling.factor", 4f)));

    [Fact]
    public void Read_Yarn_InterpolatesLowFrequenciesAlongARampAndScalesTheMagnitude()
    {
        TinyModel model = new TinyModel().Set("rope.scaling.type", "yarn").Set("rope.scaling.factor", 4f).Set("rope.scaling.original_context_length", 1024);

        RopeParameters rope = Read(model);

        // Turns within 1024 positions: 163, 16, 1.6, 0.16. Pairs up to floor(log10(1024/(32·2π))) = 0 are kept, those from
        // ceil(log10(1024/2π)) = 3 on are divided by 4, the two between by a third and two thirds of the way.
        AssertFrequencies([1f, 0.1f * (1 - 0.75f / 3), 0.01f * (1 - 0.75f * 2 / 3), 0.00025f], rope);
        Assert.Equal(1 + 0.1 * Math.Log(4), rope.Magnitude, 1e-6);
    }

    // What ggml_rope_ext (ggml-cpu 0.18.1) turned each pair by at position 1: the YaRN of Qwen2.5 (heads of 128, base 10⁶,
    // 32,768 positions stretched by 4).
    [Theory]
    [InlineData(0, 1f)]
    [InlineData(1, 0.8058421f)]
    [InlineData(23, 0.006978301f)]
    [InlineData(24, 0.005375317f)]
    [InlineData(25, 0.004131734f)]
    [InlineData(32, 0.0006029405f)]
    [InlineData(39, 6.490386e-05f)]
    [InlineData(40, 4.445692e-05f)]
    [InlineData(63, 3.102338e-07f)]
    public void Read_YarnOfARealModel_EqualsGgml(int pair, float expected)
    {
        TinyModel model = new TinyModel("qwen2").Set("attention.head_count", 1).Set("attention.head_count_kv", 1)
            .Set("attention.key_length", 128).Set("attention.value_length", 128).Set("rope.freq_base", 1e6f)
            .Set("rope.scaling.type", "yarn").Set("rope.scaling.factor", 4f).Set("rope.scaling.original_context_length", 32_768);
        model.Tensors["blk.0.attn_q.weight"] = model.Tensors["blk.0.attn_k.weight"] = model.Tensors["blk.0.attn_v.weight"] = (128, 32);
        model.Tensors["blk.0.attn_output.weight"] = (32, 128);

        RopeParameters rope = Read(model);

        Assert.Equal(1, rope.InverseFrequencies[pair] / expected, 1e-5f);
        Assert.Equal(1.1386294f, rope.Magnitude, 1e-6f);
    }

    [Fact]
    public void Read_AttentionFactor_ScalesTheMagnitude() =>
        Assert.Equal(1.5f, Read(new TinyModel().Set("rope.scaling.attn_factor", 1.5f)).Magnitude);

    [Fact]
    public void Read_FactorsTensor_DividesPairByPair()
    {
        var model = new TinyModel();
        model.Tensors["rope_freqs.weight"] = (1, 4);
        model.Values["rope_freqs.weight"] = [1, 2, 4, 8];

        AssertFrequencies([1f, 0.05f, 0.0025f, 0.000125f], Read(model));
    }

    [Theory]
    [InlineData(1024, 2f)]
    [InlineData(4096, 1f)]
    public void Read_LongRope_PicksTheFactorsOfTheContext(int originalContext, float divisor)
    {
        TinyModel model = new TinyModel().Set("rope.scaling.type", "longrope").Set("rope.scaling.original_context_length", originalContext);
        model.Tensors["rope_factors_long.weight"] = (1, 4);
        model.Values["rope_factors_long.weight"] = [2, 2, 2, 2];
        model.Tensors["rope_factors_short.weight"] = (1, 4);

        AssertFrequencies([.. Unscaled.Select(f => f / divisor)], Read(model));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(float.PositiveInfinity)]
    public void Read_FactorThatIsNoDivisor_IsRefused(float factor)
    {
        var model = new TinyModel();
        model.Tensors["rope_freqs.weight"] = (1, 4);
        model.Values["rope_freqs.weight"] = [1, factor, 1, 1];

        Assert.Contains("tensor 'rope_freqs.weight', offset ", Assert.Throws<GgufException>(() => Read(model)).Message);
    }

    private static void AssertFrequencies(float[] expected, RopeParameters rope)
    {
        Assert.Equal(expected.Length, rope.InverseFrequencies.Count);
        for (int pair = 0; pair < expected.Length; pair++)
        {
            Assert.Equal(1, rope.InverseFrequencies[pair] / expected[pair], 1e-6f);
        }
    }

    private RopeParameters Read(TinyModel model)
    {
        using ModelFile file = model.Open(_folder.Combine("rope.gguf"));
        return file.Config.Rope;
    }
}
