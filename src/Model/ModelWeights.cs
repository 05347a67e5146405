using ServingGrid.Model.Gguf;

namespace ServingGrid.Model;

/// <summary>The tensors of one transformer layer, as they lie in the file. Matrices are [output features, input features].</summary>
public sealed record LayerWeights
{
    /// <summary>[width]</summary>
    public required TensorData AttentionNorm { get; init; }

    /// <summary>[heads·headSize, width]</summary>
    public required TensorData Query { get; init; }

    /// <summary>[kvHeads·headSize, width]</summary>
    public required TensorData Key { get; init; }

    /// <summary>[kvHeads·headSize, width]</summary>
    public required TensorData Value { get; init; }

    /// <summary>[heads·headSize] or absent, like the two that follow.</summary>
    public TensorData? QueryBias { get; init; }

    public TensorData? KeyBias { get; init; }

    public TensorData? ValueBias { get; init; }

    /// <summary>[headSize] or absent.</summary>
    public TensorData? QueryNorm { get; init; }

    public TensorData? KeyNorm { get; init; }

    /// <summary>[width, heads·headSize]</summary>
    public required TensorData AttentionOutput { get; init; }

    /// <summary>[width] or absent.</summary>
    public TensorData? AttentionOutputBias { get; init; }

    /// <summary>[width]</summary>
    public required TensorData FeedForwardNorm { get; init; }

    /// <summary>[feedForward, width]</summary>
    public required TensorData Gate { get; init; }

    /// <summary>[feedForward, width]</summary>
    public required TensorData Up { get; init; }

    /// <summary>[width, feedForward]</summary>
    public required TensorData Down { get; init; }
}

/// <summary>Every tensor that the forward pass reads, with shapes checked against the <see cref="ModelConfig"/>.</summary>
public sealed record ModelWeights
{
    /// <summary>[vocabulary, width]</summary>
    public required TensorData TokenEmbeddings { get; init; }

    public required IReadOnlyList<LayerWeights> Layers { get; init; }

    /// <summary>[width]</summary>
    public required TensorData OutputNorm { get; init; }

    /// <summary>[vocabulary, width]; the same object as <see cref="TokenEmbeddings"/> when the embeddings are tied.</summary>
    public required TensorData Output { get; init; }
}
