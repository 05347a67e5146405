using ServingGrid.Model.Gguf;

namespace ServingGrid.Model.Loading;

/// <summary>
/// Finds every tensor of a model by its GGUF name and checks its shape. A tensor that nothing here reads is an error as well:
/// leaving it out would change what the model computes.
/// </summary>
internal sealed class WeightsReader
{
    private readonly GgufFile _file;
    private readonly ModelConfig _config;
    private readonly HashSet<string> _used = [.. RopeReader.TensorNames];

    private WeightsReader(GgufFile file, ModelConfig config) => (_file, _config) = (file, config);

    public static ModelWeights Read(GgufFile file, ModelConfig config) => new WeightsReader(file, config).Read();

    private ModelWeights Read()
    {
        TensorData embeddings = Matrix(ConfigReader.Embeddings, _config.VocabularySize, _config.Width);
        var weights = new ModelWeights
        {
            TokenEmbeddings = embeddings,
            Layers = [.. Enumerable.Range(0, _config.Layers).Select(Layer)],
            OutputNorm = Vector("output_norm.weight", _config.Width),
            Output = _config.TiedEmbeddings ? embeddings : Matrix(ConfigReader.Output, _config.VocabularySize, _config.Width),
        };
        TensorData? unused = _file.Tensors.Values.FirstOrDefault(tensor => !_used.Contains(tensor.Name));
        return unused is null ? weights : throw _file.Error(unused, $"a {_config.Architecture} model with such a tensor is not supported");
    }

    private LayerWeights Layer(int index)
    {
        int queries = _config.Heads * _config.HeadSize;
        int keys = _config.KvHeads * _config.HeadSize;
        string prefix = $"blk.{index}.";
        TensorData? Bias(string name, int length) => _config.AttentionBias ? Vector(prefix + name, length) : null;
        TensorData? HeadNorm(string name) => _config.QkNorm ? Vector(prefix + name, _config.HeadSize) : null;
        string outputBias = prefix + "attn_output.bias";
        return new LayerWeights
        {
            AttentionNorm = Vector(prefix + "attn_norm.weight", _config.Width),
            Query = Matrix(prefix + "attn_q.weight", queries, _config.Width),
            Key = Matrix(prefix + "attn_k.weight", keys, _config.Width),
            Value = Matrix(prefix + "attn_v.weight", keys, _config.Width),
            QueryBias = Bias("attn_q.bias", queries),
            KeyBias = Bias("attn_k.bias", keys),
            ValueBias = Bias("attn_v.bias", keys),
            QueryNorm = HeadNorm("attn_q_norm.weight"),
            KeyNorm = HeadNorm("attn_k_norm.weight"),
            AttentionOutput = Matrix(prefix + "attn_output.weight", _config.Width, queries),
            AttentionOutputBias = _file.Tensors.ContainsKey(outputBias) ? Vector(outputBias, _config.Width) : null,
            FeedForwardNorm = Vector(prefix + "ffn_norm.weight", _config.Width),
            Gate = Matrix(prefix + "ffn_gate.weight", _config.FeedForward, _config.Width),
            Up = Matrix(prefix + "ffn_up.weight", _config.FeedForward, _config.Width),
            Down = Matrix(prefix + "ffn_down.weight", _config.Width, _config.FeedForward),
        };
    }

    private TensorData Vector(string name, int length) => Matrix(name, 1, length);

    private TensorData Matrix(string name, int rows, int columns)
    {
        if (!_file.Tensors.TryGetValue(name, out TensorData? tensor))
        {
            throw new GgufException(_file.Path, $"tensor '{name}' is missing");
        }

        _used.Add(name);
        return tensor.Rows == rows && tensor.Columns == columns
            ? tensor
            : throw _file.Error(tensor, $"its shape is {tensor.Rows}×{tensor.Columns} but the metadata asks for {rows}×{columns}");
    }
}
