using ServingGrid.Kernels;
using ServingGrid.Model;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// The transformer, from a batch's tokens to the logits of its sampled rows, in the operations of a <see cref="Device"/>. Owns the activations.
/// One thread at a time.
/// </summary>
internal sealed class ForwardPass : IDisposable
{
    private readonly Device _device;
    private readonly DeviceModel _model;
    private readonly AttentionShape _shape;
    private readonly Projection[][] _projections;
    private readonly Tensor _residual;  // (rows, width)
    private readonly Tensor _query;     // (rows, heads·headSize)
    private readonly Tensor _key;       // (rows, kvHeads·headSize)
    private readonly Tensor _value;     // (rows, kvHeads·headSize)
    private readonly Tensor _attention; // (rows, heads·headSize)

    /// <param name="device">Where the model is.</param>
    /// <param name="model">Its weights; stays the caller's.</param>
    /// <param name="maxRows">Most rows of a batch.</param>
    /// <param name="maxSampledRows">Most sampled rows of a batch.</param>
    public ForwardPass(Device device, DeviceModel model, int maxRows, int maxSampledRows)
    {
        _device = device;
        _model = model;
        ModelConfig config = model.Config;
        _shape = new AttentionShape(config.Heads, config.KvHeads, config.HeadSize);
        _residual = device.AllocateTensor(maxRows, config.Width);
        _query = device.AllocateTensor(maxRows, config.Heads * config.HeadSize);
        _key = device.AllocateTensor(maxRows, config.KvHeads * config.HeadSize);
        _value = device.AllocateTensor(maxRows, config.KvHeads * config.HeadSize);
        _attention = device.AllocateTensor(maxRows, config.Heads * config.HeadSize);
        Logits = device.AllocateTensor(maxSampledRows, config.VocabularySize);
        _projections =
        [
            .. model.Layers.Select(layer => new Projection[]
            {
                new(layer.Query, layer.QueryBias, _query),
                new(layer.Key, layer.KeyBias, _key),
                new(layer.Value, layer.ValueBias, _value),
            }),
        ];
    }

    /// <summary>[sampled rows, vocabulary]: row i is that of <see cref="StepBatch.SampledRows"/>[i].</summary>
    public Tensor Logits { get; }

    /// <summary>Submits one step. <see cref="Logits"/> and the cache are valid for whatever the device does next.</summary>
    public void Run(StepBatch batch, KvCache cache)
    {
        float epsilon = _model.Config.NormEpsilon;
        _device.BeginStep(batch);
        _device.Embed(_model.Embeddings, _residual);
        for (int i = 0; i < _model.Layers.Count; i++)
        {
            DeviceLayer layer = _model.Layers[i];
            _device.NormedProjection(_residual, layer.AttentionNorm, epsilon, _projections[i]);
            _device.RopeAppend(_query, _key, _value, _shape, _model.Rope, layer.HeadNorm, cache, i);
            _device.Attention(_query, cache, i, _shape, _attention);
            _device.ResidualProjection(_attention, layer.AttentionOutput, layer.AttentionOutputBias, _residual);
            _device.GatedFeedForward(_residual, layer.FeedForwardNorm, epsilon, layer.Gate, layer.Up, layer.Down);
        }

        if (batch.SampledRowCount > 0)
        {
            _device.Logits(_residual, _model.OutputNorm, epsilon, _model.Output, Logits);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _residual.Dispose();
        _query.Dispose();
        _key.Dispose();
        _value.Dispose();
        _attention.Dispose();
        Logits.Dispose();
    }
}
