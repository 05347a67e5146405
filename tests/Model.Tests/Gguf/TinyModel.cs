using ServingGrid.Model.Gguf;

namespace ServingGrid.Model.Tests.Gguf;

/// <summary>
/// The smallest llama model that opens (1 layer, 32 wide, 64 tokens, no tokenizer), with keys and tensors to change before it is written.
/// </summary>
internal sealed class TinyModel
{
    private readonly string _architecture;

    public TinyModel(string architecture = "llama")
    {
        _architecture = architecture;
        Keys["general.architecture"] = architecture;
        Set("block_count", 1).Set("context_length", 4096).Set("embedding_length", 32).Set("feed_forward_length", 64)
            .Set("attention.head_count", 4).Set("attention.head_count_kv", 2).Set("attention.layer_norm_rms_epsilon", 1e-5f);
        Tensors["token_embd.weight"] = (64, 32);
        Tensors["output_norm.weight"] = (1, 32);
        Tensors["blk.0.attn_norm.weight"] = (1, 32);
        Tensors["blk.0.attn_q.weight"] = (32, 32);
        Tensors["blk.0.attn_k.weight"] = (16, 32);
        Tensors["blk.0.attn_v.weight"] = (16, 32);
        Tensors["blk.0.attn_output.weight"] = (32, 32);
        Tensors["blk.0.ffn_norm.weight"] = (1, 32);
        Tensors["blk.0.ffn_gate.weight"] = (64, 32);
        Tensors["blk.0.ffn_up.weight"] = (64, 32);
        Tensors["blk.0.ffn_down.weight"] = (32, 64);
    }

    public Dictionary<string, object> Keys { get; } = [];

    public Dictionary<string, (int Rows, int Columns)> Tensors { get; } = [];

    /// <summary>What a tensor is filled with: 1 unless set.</summary>
    public Dictionary<string, float[]> Values { get; } = [];

    /// <summary>Sets a key under the architecture's prefix.</summary>
    public TinyModel Set(string suffix, object value)
    {
        Keys[$"{_architecture}.{suffix}"] = value;
        return this;
    }

    public byte[] ToBytes()
    {
        var writer = new GgufWriter();
        foreach ((string key, object value) in Keys)
        {
            _ = value switch
            {
                string text => writer.Add(key, text),
                int integer => writer.Add(key, integer),
                float number => writer.Add(key, number),
                bool truth => writer.Add(key, truth),
                int[] integers => writer.Add(key, integers),
                string[] texts => writer.Add(key, texts),
                _ => throw new ArgumentException($"{key}: {value.GetType()}"),
            };
        }

        foreach ((string name, (int rows, int columns)) in Tensors)
        {
            float[] values = Values.GetValueOrDefault(name) ?? [.. Enumerable.Repeat(1f, rows * columns)];
            writer.AddTensor(name, rows == 1 ? GgmlType.F32 : GgmlType.Q8_0, rows, columns, values);
        }

        using var stream = new MemoryStream();
        writer.Write(stream);
        return stream.ToArray();
    }

    /// <summary>Writes the model to the path and opens it.</summary>
    public ModelFile Open(string path)
    {
        File.WriteAllBytes(path, ToBytes());
        return ModelFile.Open(path);
    }
}
