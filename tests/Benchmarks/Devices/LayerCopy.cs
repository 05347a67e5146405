using ServingGrid.Kernels;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Devices;

/// <summary>Random weights of one layer, and of the matrix that computes logits, in the host's memory.</summary>
internal sealed class LayerWeightsData(DeviceShape shape)
{
    public TensorData Query { get; } = RandomWeights.Matrix(0, shape.Type, shape.Heads * shape.HeadSize, shape.Width);

    public TensorData Key { get; } = RandomWeights.Matrix(1, shape.Type, shape.KvHeads * shape.HeadSize, shape.Width);

    public TensorData Value { get; } = RandomWeights.Matrix(2, shape.Type, shape.KvHeads * shape.HeadSize, shape.Width);

    public TensorData Output { get; } = RandomWeights.Matrix(3, shape.Type, shape.Width, shape.Heads * shape.HeadSize);

    public TensorData Gate { get; } = RandomWeights.Matrix(4, shape.Type, shape.FeedForward, shape.Width);

    public TensorData Up { get; } = RandomWeights.Matrix(5, shape.Type, shape.FeedForward, shape.Width);

    public TensorData Down { get; } = RandomWeights.Matrix(6, shape.Type, shape.Width, shape.FeedForward);

    public TensorData Vocabulary { get; } = RandomWeights.Matrix(7, shape.Type, shape.Vocabulary, shape.Width);

    /// <summary>Of all matrices of the layer.</summary>
    public double Bytes =>
        Query.ByteLength + Key.ByteLength + Value.ByteLength + Output.ByteLength + Gate.ByteLength + Up.ByteLength + Down.ByteLength;

    /// <summary>Of the matrices of the operation that has the fewest.</summary>
    public double SmallestBytes => Math.Min(Output.ByteLength, Query.ByteLength + Key.ByteLength + Value.ByteLength);
}

/// <summary>A copy of them on the device.</summary>
internal sealed class LayerCopy(Device device, LayerWeightsData weights) : IDisposable
{
    public Matrix Query { get; } = device.LoadMatrix(weights.Query);

    public Matrix Key { get; } = device.LoadMatrix(weights.Key);

    public Matrix Value { get; } = device.LoadMatrix(weights.Value);

    public Matrix Output { get; } = device.LoadMatrix(weights.Output);

    public Matrix Gate { get; } = device.LoadMatrix(weights.Gate);

    public Matrix Up { get; } = device.LoadMatrix(weights.Up);

    public Matrix Down { get; } = device.LoadMatrix(weights.Down);

    public void Dispose()
    {
        Query.Dispose();
        Key.Dispose();
        Value.Dispose();
        Output.Dispose();
        Gate.Dispose();
        Up.Dispose();
        Down.Dispose();
    }
}
