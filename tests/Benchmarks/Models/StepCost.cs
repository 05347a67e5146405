using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Benchmarks.Models;

/// <summary>What steps of a model must at least read and compute.</summary>
internal sealed class StepCost
{
    private readonly long _layerWeights;
    private readonly long _outputWeights;
    private readonly long _weightBytes;
    private readonly double _cacheBytesPerPosition;
    private readonly double _attentionPerPosition;

    public StepCost(ModelConfig config, ModelWeights weights)
    {
        TensorData[] matrices =
        [
            .. weights.Layers.SelectMany(layer => (TensorData[])
                [layer.Query, layer.Key, layer.Value, layer.AttentionOutput, layer.Gate, layer.Up, layer.Down]),
        ];
        _layerWeights = matrices.Sum(Elements);
        _outputWeights = Elements(weights.Output);
        _weightBytes = matrices.Append(weights.Output).Sum(matrix => matrix.ByteLength);
        var layout = new KvLayout(config.Layers, config.KvHeads, config.HeadSize);
        StoredBytes = _weightBytes + (config.TiedEmbeddings ? 0 : weights.TokenEmbeddings.ByteLength);
        _cacheBytesPerPosition = (double)layout.BlockBytesAllLayers / layout.BlockSize;

        // A score and a share of a value: two multiply-accumulates per element of each query head.
        _attentionPerPosition = 2.0 * config.Layers * config.Heads * config.HeadSize;
        IsFloat = weights.Layers[0].Gate.Type is GgmlType.F32 or GgmlType.F16 or GgmlType.BF16;
    }

    /// <summary>Its matrices are not quantised, so that int8 arithmetic does not apply.</summary>
    public bool IsFloat { get; }

    /// <summary>Bytes of all matrices.</summary>
    public long StoredBytes { get; }

    /// <summary>Bytes of a KV cache for so many positions.</summary>
    public double CacheBytes(int positions) => positions * _cacheBytesPerPosition;

    /// <summary>Operations (a multiply-accumulate is two) of a prompt whose last token alone gets logits.</summary>
    public double PrefillOperations(int tokens) => 2 * ((double)tokens * _layerWeights + _outputWeights + _attentionPerPosition * tokens * (tokens + 1) / 2);

    /// <summary>Operations of one decode step.</summary>
    public double DecodeOperations(int sequences, double context) => 2.0 * sequences * (_layerWeights + _outputWeights + _attentionPerPosition * context);

    /// <summary>Bytes that one decode step reads: all weights once, and every sequence's cache.</summary>
    public double DecodeBytes(int sequences, double context) => _weightBytes + sequences * context * _cacheBytesPerPosition;

    private static long Elements(TensorData matrix) => (long)matrix.Rows * matrix.Columns;
}
