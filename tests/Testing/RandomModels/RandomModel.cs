using ServingGrid.Model.Gguf;

namespace ServingGrid.Testing;

/// <summary>
/// Writes models of any shape and tensor type with random weights: what they say means nothing, but they load, run and take
/// as long as real ones. The same options give the same file, to the byte. llama.cpp loads them as well.
/// </summary>
public static class RandomModel
{
    // Not one of the unused kind: those have no text, and a server streams nothing for them.
    private const int NormalToken = 1;

    /// <summary>Writes the model, replacing an existing file.</summary>
    public static void Write(string path, RandomModelOptions options)
    {
        var writer = new GgufWriter();
        AddHyperParameters(writer, options);
        PlainTokens plain = AddTokenizer(writer, options);
        options.Metadata?.Invoke(writer);
        new Tensors(writer, options, plain).AddAll();
        writer.Write(path);
    }

    private static void AddHyperParameters(GgufWriter writer, RandomModelOptions options)
    {
        RandomModelShape shape = options.Shape;
        string prefix = options.Architecture + ".";
        writer.Add("general.architecture", options.Architecture)
            .Add("general.name", $"Random {options.Architecture} {shape.Layers}×{shape.Width} {options.GgmlType}")
            .Add(prefix + "block_count", shape.Layers)
            .Add(prefix + "context_length", shape.ContextLength)
            .Add(prefix + "embedding_length", shape.Width)
            .Add(prefix + "feed_forward_length", shape.FeedForward)
            .Add(prefix + "attention.head_count", shape.Heads)
            .Add(prefix + "attention.head_count_kv", shape.KvHeads)
            .Add(prefix + "attention.key_length", shape.HeadSize)
            .Add(prefix + "attention.value_length", shape.HeadSize)
            .Add(prefix + "attention.layer_norm_rms_epsilon", 1e-5f)
            .Add(prefix + "rope.dimension_count", shape.HeadSize)
            .Add(prefix + "rope.freq_base", options.RopeBase)
            .Add(prefix + "vocab_size", shape.VocabularySize);
    }

    private static PlainTokens AddTokenizer(GgufWriter writer, RandomModelOptions options)
    {
        const string Tokens = "tokenizer.ggml.tokens";
        const string Types = "tokenizer.ggml.token_type";
        const string Scores = "tokenizer.ggml.scores";
        using GgufFile source = GgufFile.Open(options.VocabularyFrom);
        foreach (string key in source.Metadata.Keys.Where(key => key.StartsWith("tokenizer.", StringComparison.Ordinal) && key is not (Tokens or Types or Scores)))
        {
            writer.Copy(source.Metadata, key);
        }

        string[] tokens = source.Metadata.GetStrings(Tokens) ?? [];
        int padding = options.Shape.VocabularySize - tokens.Length;
        ArgumentOutOfRangeException.ThrowIfNegative(padding, $"{nameof(RandomModelShape.VocabularySize)} less that of {options.VocabularyFrom}");
        tokens = [.. tokens, .. Enumerable.Range(0, padding).Select(i => $"<|padding_{i}|>")];
        int[]? types = source.Metadata.GetIntegers(Types) is { } given ? [.. given, .. Enumerable.Repeat(NormalToken, padding)] : null;
        writer.Add(Tokens, tokens);
        if (types is not null)
        {
            writer.Add(Types, types);
        }

        if (source.Metadata.GetFloats(Scores) is { } scores)
        {
            writer.Add(Scores, [.. scores, .. Enumerable.Repeat(0f, padding)]);
        }

        return new PlainTokens(tokens, types);
    }

    /// <summary>Which tokens are ASCII text, in the alphabet of byte-level vocabularies.</summary>
    private sealed class PlainTokens(string[] tokens, int[]? types)
    {
        private const char Space = 'Ġ';
        private const char LineFeed = 'Ċ';

        public bool Contains(int token) =>
            (types is null || types[token] == NormalToken) && tokens[token].All(c => c is (>= '!' and <= '~') or Space or LineFeed);
    }

    /// <summary>Adds the tensors of a model under their GGUF names.</summary>
    private sealed class Tensors(GgufWriter writer, RandomModelOptions options, PlainTokens plain)
    {
        private readonly RandomModelShape _shape = options.Shape;
        private int _count;

        public void AddAll()
        {
            // Logits of deviation 4: a peaked distribution like a real model's.
            AddMatrix("token_embd.weight", _shape.VocabularySize, _shape.Width, 4, speaks: _shape.TiedEmbeddings);
            for (int layer = 0; layer < _shape.Layers; layer++)
            {
                AddLayer($"blk.{layer}.");
            }

            AddVector("output_norm.weight", _shape.Width, 1, 0.1f);
            if (!_shape.TiedEmbeddings)
            {
                AddMatrix("output.weight", _shape.VocabularySize, _shape.Width, 4, speaks: true);
            }
        }

        private void AddLayer(string prefix)
        {
            (int queries, int keys) = (_shape.Heads * _shape.HeadSize, _shape.KvHeads * _shape.HeadSize);
            AddVector(prefix + "attn_norm.weight", _shape.Width, 1, 0.1f);
            AddMatrix(prefix + "attn_q.weight", queries, _shape.Width, 1);
            AddMatrix(prefix + "attn_k.weight", keys, _shape.Width, 1);
            AddMatrix(prefix + "attn_v.weight", keys, _shape.Width, 1);
            AddMatrix(prefix + "attn_output.weight", _shape.Width, queries, 1);
            if (options.Architecture == "qwen2")
            {
                AddVector(prefix + "attn_q.bias", queries, 0, 0.1f);
                AddVector(prefix + "attn_k.bias", keys, 0, 0.1f);
                AddVector(prefix + "attn_v.bias", keys, 0, 0.1f);
            }

            if (options.Architecture == "qwen3")
            {
                AddVector(prefix + "attn_q_norm.weight", _shape.HeadSize, 1, 0.1f);
                AddVector(prefix + "attn_k_norm.weight", _shape.HeadSize, 1, 0.1f);
            }

            AddVector(prefix + "ffn_norm.weight", _shape.Width, 1, 0.1f);
            AddMatrix(prefix + "ffn_gate.weight", _shape.FeedForward, _shape.Width, 1);
            AddMatrix(prefix + "ffn_up.weight", _shape.FeedForward, _shape.Width, 1);
            AddMatrix(prefix + "ffn_down.weight", _shape.Width, _shape.FeedForward, 1);
        }

        // A gain of 1 keeps the deviation of what goes through the matrix.
        private void AddMatrix(string name, int rows, int columns, float gain, bool speaks = false)
        {
            GgmlType type = RandomRows.Fitting(options.GgmlType, columns);
            Add(name, type, rows, columns, 0, gain / MathF.Sqrt(columns), speaks && options.SaysPlainText);
        }

        private void AddVector(string name, int length, float mean, float deviation) => Add(name, GgmlType.F32, 1, length, mean, deviation);

        private void Add(string name, GgmlType type, int rows, int columns, float mean, float deviation, bool plainOnly = false)
        {
            var random = new RandomRows(type, mean, deviation, options.Seed, _count++);
            writer.AddTensor(name, type, rows, columns, plainOnly ? FillPlain : random.Fill);

            void FillPlain(int row, Span<byte> blocks)
            {
                if (plain.Contains(row))
                {
                    random.Fill(row, blocks);
                }
                else
                {
                    // Zeroes in every type: a logit of 0, far below the largest.
                    blocks.Clear();
                }
            }
        }
    }
}
