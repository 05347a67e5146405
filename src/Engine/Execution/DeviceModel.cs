using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Engine.Execution;

/// <summary>One layer's weights on a device.</summary>
internal sealed record DeviceLayer(
    Vector AttentionNorm,
    Matrix Query,
    Matrix Key,
    Matrix Value,
    Vector? QueryBias,
    Vector? KeyBias,
    Vector? ValueBias,
    HeadNorm? HeadNorm,
    Matrix AttentionOutput,
    Vector? AttentionOutputBias,
    Vector FeedForwardNorm,
    Matrix Gate,
    Matrix Up,
    Matrix Down);

/// <summary>A model's weights on a device.</summary>
internal sealed class DeviceModel : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    /// <param name="config">Shape.</param>
    /// <param name="weights">Copied to the device one by one.</param>
    /// <param name="device">Where to.</param>
    public DeviceModel(ModelConfig config, ModelWeights weights, Device device)
    {
        Config = config;
        try
        {
            Embeddings = LoadMatrix(weights.TokenEmbeddings, device);
            Layers = [.. weights.Layers.Select(layer => Load(layer, device))];
            OutputNorm = Own(device.LoadVector(weights.OutputNorm));
            Output = ReferenceEquals(weights.Output, weights.TokenEmbeddings) ? Embeddings : LoadMatrix(weights.Output, device);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public ModelConfig Config { get; }

    public Matrix Embeddings { get; }

    public IReadOnlyList<DeviceLayer> Layers { get; }

    public Vector OutputNorm { get; }

    /// <summary>The embeddings themselves when they are tied.</summary>
    public Matrix Output { get; }

    /// <summary>Set by <see cref="PrepareRope"/>.</summary>
    public RopeTable Rope { get; private set; } = null!;

    /// <summary>
    /// Prepares RoPE for so many positions. Not with the weights: how many there can be is known once the KV cache is allocated, and a file
    /// may promise a thousand times as many.
    /// </summary>
    public void PrepareRope(Device device, int contextLength) => Rope = Own(device.LoadRope(Config.Rope, contextLength));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }

        _owned.Clear();
    }

    private DeviceLayer Load(LayerWeights layer, Device device)
    {
        Matrix LoadMatrix(TensorData tensor) => this.LoadMatrix(tensor, device);
        Vector LoadVector(TensorData tensor) => Own(device.LoadVector(tensor));
        Vector? LoadOptional(TensorData? tensor) => tensor is null ? null : LoadVector(tensor);

        HeadNorm? headNorm = layer is { QueryNorm: { } query, KeyNorm: { } key } ? new HeadNorm(LoadVector(query), LoadVector(key), Config.NormEpsilon) : null;
        return new DeviceLayer(
            LoadVector(layer.AttentionNorm),
            LoadMatrix(layer.Query),
            LoadMatrix(layer.Key),
            LoadMatrix(layer.Value),
            LoadOptional(layer.QueryBias),
            LoadOptional(layer.KeyBias),
            LoadOptional(layer.ValueBias),
            headNorm,
            LoadMatrix(layer.AttentionOutput),
            LoadOptional(layer.AttentionOutputBias),
            LoadVector(layer.FeedForwardNorm),
            LoadMatrix(layer.Gate),
            LoadMatrix(layer.Up),
            LoadMatrix(layer.Down));
    }

    // File and copy are never in memory both as a whole: the device keeps a copy of its own.
    private Matrix LoadMatrix(TensorData tensor, Device device)
    {
        Matrix matrix = Own(device.LoadMatrix(tensor));
        tensor.DropPages();
        return matrix;
    }

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
