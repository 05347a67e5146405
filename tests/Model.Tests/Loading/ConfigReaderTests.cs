using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tests.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Loading;

public sealed class ConfigReaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // What is set under "llama.", and what the sentence says about it.
    public static TheoryData<string, object, string> Refused => new()
    {
        { "block_count", 0, "0 is not between 1 and 1024" },
        { "block_count", int.MaxValue, "2147483647 is not between 1 and 1024" },
        { "block_count", 2, "tensor 'blk.1.attn_norm.weight' is missing" },
        { "block_count", "many", "an integer is needed but the file has String" },
        { "embedding_length", 64, "its shape is 64×32 but the metadata asks for 64×64" },
        { "feed_forward_length", 96, "tensor 'blk.0.ffn_gate.weight', offset " },
        { "context_length", 0, "is not between 1 and" },
        { "attention.head_count", 0, "is not between 1 and" },
        { "attention.head_count", new[] { 4, 8 }, "layers that differ in this are not supported" },
        { "attention.head_count_kv", 3, "4 heads cannot share 3 KV heads evenly" },
        { "attention.head_count_kv", 8, "8 is not between 1 and 4" },
        { "attention.key_length", 7, "cannot be rotated in pairs" },
        { "attention.value_length", 16, "value heads of 16 elements beside key heads of 8 are not supported" },
        { "attention.layer_norm_rms_epsilon", float.NaN, "NaN is not between 0 and 1" },
        { "attention.layer_norm_rms_epsilon", -1f, "-1 is not between 0 and 1" },
        { "attention.sliding_window", 1024, "sliding-window attention (here over 1024 positions) is not supported" },
        { "expert_count", 8, "mixtures of experts are not supported" },
        { "rope.dimension_count", 4, "rotating 4 of a head's 8 elements is not supported" },
        { "rope.freq_base", 0f, "is not between 1.001 and" },
        { "rope.freq_base", float.PositiveInfinity, "is not between 1.001 and" },
        { "rope.scaling.type", "dynamic", "this kind of RoPE scaling is not supported" },
        { "rope.scaling.factor", -2f, "-2 is not between 0 and" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Open_UnsupportedOrCorruptValue_IsRefusedInOneSentence(string suffix, object value, string reason)
    {
        string path = _folder.Combine("model.gguf");

        var e = Assert.Throws<GgufException>(() => new TinyModel().Set(suffix, value).Open(path));

        Assert.StartsWith(path + ": ", e.Message);
        Assert.Contains(reason, e.Message);
        Assert.EndsWith(".", e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("general.architecture")]
    [InlineData("llama.block_count")]
    [InlineData("llama.embedding_length")]
    [InlineData("llama.feed_forward_length")]
    [InlineData("llama.context_length")]
    [InlineData("llama.attention.head_count")]
    [InlineData("llama.attention.layer_norm_rms_epsilon")]
    public void Open_RequiredKeyMissing_IsRefused(string key)
    {
        var model = new TinyModel();
        model.Keys.Remove(key);

        var e = Assert.Throws<GgufException>(() => model.Open(_folder.Combine("model.gguf")));

        Assert.EndsWith($": key '{key}': the key is missing.", e.Message);
    }

    [Theory]
    [InlineData("token_embd.weight")]
    [InlineData("output_norm.weight")]
    [InlineData("blk.0.ffn_down.weight")]
    public void Open_TensorMissing_IsRefused(string name)
    {
        var model = new TinyModel();
        model.Tensors.Remove(name);

        Assert.EndsWith($": tensor '{name}' is missing.", Assert.Throws<GgufException>(() => model.Open(_folder.Combine("model.gguf"))).Message);
    }

    [Theory]
    [InlineData("blk.0.ffn_up.bias")]
    [InlineData("blk.0.ffn_gate_inp.weight")]
    [InlineData("blk.0.attn_q_norm.weight")]
    [InlineData("blk.1.attn_norm.weight")]
    public void Open_TensorThatNothingReads_IsRefused(string name)
    {
        var model = new TinyModel();
        model.Tensors[name] = (1, 32);

        string message = Assert.Throws<GgufException>(() => model.Open(_folder.Combine("model.gguf"))).Message;

        Assert.Contains($"tensor '{name}', offset ", message);
        Assert.EndsWith("a llama model with such a tensor is not supported.", message);
    }

    [Fact]
    public void Open_UnknownArchitecture_IsRefused()
    {
        var model = new TinyModel("gpt2");

        Assert.Contains("architecture 'gpt2' is not supported (llama, qwen2 and qwen3 are)", Assert.Throws<GgufException>(() => model.Open(_folder.Combine("model.gguf"))).Message);
    }

    [Fact]
    public void Open_VocabularyThatTheEmbeddingsDoNotFit_IsRefused()
    {
        var model = new TinyModel();
        model.Keys["tokenizer.ggml.tokens"] = new[] { "a", "b" };

        Assert.Contains("the vocabulary has 2 tokens but there are embeddings of 64", Assert.Throws<GgufException>(() => model.Open(_folder.Combine("model.gguf"))).Message);
    }

    [Fact]
    public void Open_OptionalKeysAbsent_TakesTheirDefaults()
    {
        var model = new TinyModel();
        model.Keys.Remove("llama.attention.head_count_kv");
        model.Tensors["blk.0.attn_k.weight"] = model.Tensors["blk.0.attn_v.weight"] = (32, 32);

        using ModelFile file = model.Open(_folder.Combine("unnamed-model.gguf"));

        Assert.Equal(("unnamed-model", 4, 8, true), (file.Config.Name, file.Config.KvHeads, file.Config.HeadSize, file.Config.TiedEmbeddings));
    }

    [Fact]
    public void Open_WindowAsWideAsTheContext_ChangesNothing()
    {
        using ModelFile file = new TinyModel().Set("attention.sliding_window", 4096).Open(_folder.Combine("model.gguf"));

        Assert.Equal(4096, file.Config.ContextLength);
    }
}
