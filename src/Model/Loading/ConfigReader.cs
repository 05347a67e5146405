using ServingGrid.Model.Gguf;

namespace ServingGrid.Model.Loading;

/// <summary>
/// Metadata to <see cref="ModelConfig"/>, with the keys and defaults that llama.cpp uses. The upper bounds are far above every
/// model that exists; they keep products of sizes within 32 bits and stop a corrupt file early.
/// </summary>
internal static class ConfigReader
{
    public const string Embeddings = "token_embd.weight";
    public const string Output = "output.weight";

    private const string ArchitectureKey = "general.architecture";
    private const int MaximumLayers = 1024;
    private const int MaximumWidth = 1 << 17;
    private const int MaximumHeads = 1024;
    private const int MaximumHeadSize = 512;
    private const int MaximumFeedForward = 1 << 20;
    private const int MaximumContext = 1 << 26;

    public static ModelConfig Read(GgufFile file)
    {
        ArchitectureKeys keys = Architecture(file.Metadata);
        RefuseUnsupported(keys);
        int width = keys.Integer("embedding_length", MaximumWidth);
        int heads = keys.Integer("attention.head_count", MaximumHeads);
        int kvHeads = keys.Integer("attention.head_count_kv", heads, heads);
        if (heads % kvHeads != 0)
        {
            throw keys.Error("attention.head_count_kv", $"{heads} heads cannot share {kvHeads} KV heads evenly");
        }

        int headSize = HeadSize(keys, width, heads);
        int context = keys.Integer("context_length", MaximumContext);
        return new ModelConfig
        {
            Architecture = keys.Architecture,
            Name = file.Metadata.GetString("general.name") is { Length: > 0 } name ? name : Path.GetFileNameWithoutExtension(file.Path),
            Layers = keys.Integer("block_count", MaximumLayers),
            Width = width,
            Heads = heads,
            KvHeads = kvHeads,
            HeadSize = headSize,
            FeedForward = keys.Integer("feed_forward_length", MaximumFeedForward),
            VocabularySize = VocabularySize(file),
            ContextLength = context,
            NormEpsilon = (float)keys.Number("attention.layer_norm_rms_epsilon", 0, 1),
            Rope = RopeReader.Read(file, keys, headSize, context),
            TiedEmbeddings = !file.Tensors.ContainsKey(Output),
            AttentionBias = file.Tensors.ContainsKey("blk.0.attn_q.bias"),
            QkNorm = keys.Architecture == "qwen3",
        };
    }

    private static ArchitectureKeys Architecture(GgufMetadata metadata) => metadata.GetString(ArchitectureKey) switch
    {
        null => throw metadata.Error(ArchitectureKey, "the key is missing"),
        "llama" or "qwen2" or "qwen3" => new ArchitectureKeys(metadata, metadata.GetString(ArchitectureKey)!),
        var other => throw metadata.Error(ArchitectureKey, $"architecture '{Shortened(other)}' is not supported (llama, qwen2 and qwen3 are)"),
    };

    private static string Shortened(string text) => text.Length <= 40 ? text : text[..40] + "…";

    private static void RefuseUnsupported(ArchitectureKeys keys)
    {
        if (keys.Integer("expert_count", int.MaxValue, otherwise: 0, minimum: 0) > 0)
        {
            throw keys.Error("expert_count", "mixtures of experts are not supported");
        }

        int window = keys.Integer("attention.sliding_window", int.MaxValue, otherwise: 0, minimum: 0);
        if (window > 0 && window < keys.Integer("context_length", MaximumContext))
        {
            throw keys.Error("attention.sliding_window", $"sliding-window attention (here over {window} positions) is not supported");
        }
    }

    private static int HeadSize(ArchitectureKeys keys, int width, int heads)
    {
        int? even = width % heads == 0 ? width / heads : null;
        int size = keys.Integer("attention.key_length", MaximumHeadSize, even);
        if (size % 2 != 0)
        {
            throw keys.Error("attention.key_length", $"heads of {size} elements cannot be rotated in pairs");
        }

        int valueSize = keys.Integer("attention.value_length", MaximumHeadSize, even ?? size);
        return valueSize == size ? size : throw keys.Error("attention.value_length", $"value heads of {valueSize} elements beside key heads of {size} are not supported");
    }

    private static int VocabularySize(GgufFile file)
    {
        if (!file.Tensors.TryGetValue(Embeddings, out TensorData? embeddings))
        {
            throw new GgufException(file.Path, $"tensor '{Embeddings}' is missing");
        }

        const string TokensKey = "tokenizer.ggml.tokens";
        int? tokens = file.Metadata.ArrayLength(TokensKey);
        return tokens is null || tokens == embeddings.Rows
            ? embeddings.Rows
            : throw file.Metadata.Error(TokensKey, $"the vocabulary has {tokens} tokens but there are embeddings of {embeddings.Rows}");
    }
}
