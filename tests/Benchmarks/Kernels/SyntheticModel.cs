using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Kernels;

/// <summary>A model's layers on a device, with random weights of one type: the operations of a forward pass and nothing around them.</summary>
internal sealed class SyntheticModel : IDisposable
{
    private const int BlockSize = 32;
    private readonly Device _device;
    private readonly RandomModelShape _shape;
    private readonly AttentionShape _heads;
    private readonly Layer[] _layers;
    private readonly Matrix _embeddings;
    private readonly Matrix _output;
    private readonly Vector _norm;
    private readonly RopeTable _rope;
    private readonly KvCache _cache;
    private readonly StepBatch _batch;
    private readonly Tensor _residual;
    private readonly Tensor _query;
    private readonly Tensor _key;
    private readonly Tensor _value;
    private readonly Tensor _attention;
    private readonly Tensor _logits;
    private readonly Random _random = new(1);

    public SyntheticModel(Device device, RandomModelShape shape, GgmlType type, int maxRows, int positions)
    {
        (_device, _shape) = (device, shape);
        _heads = new AttentionShape(shape.Heads, shape.KvHeads, shape.HeadSize);
        (int queries, int keys) = (shape.Heads * shape.HeadSize, shape.KvHeads * shape.HeadSize);
        _layers = [.. Enumerable.Range(0, shape.Layers).Select(_ => new Layer(
            Load(type, queries, shape.Width), Load(type, keys, shape.Width), Load(type, keys, shape.Width), Load(type, shape.Width, queries),
            Load(type, shape.FeedForward, shape.Width), Load(type, shape.FeedForward, shape.Width), Load(type, shape.Width, shape.FeedForward)))];
        _embeddings = Load(type, shape.VocabularySize, shape.Width);
        _output = shape.TiedEmbeddings ? _embeddings : Load(type, shape.VocabularySize, shape.Width);
        float[] ones = new float[shape.Width];
        ones.AsSpan().Fill(1);
        _norm = device.LoadVector(TensorData.FromFloats("norm", 1, shape.Width, ones));
        int pairs = shape.HeadSize / 2;
        _rope = device.LoadRope(new RopeParameters(RopeStyle.Interleaved, shape.HeadSize, [.. Enumerable.Range(0, pairs).Select(i => MathF.Pow(10000, -(float)i / pairs))]), positions + 1);
        _cache = device.AllocateKvCache(new KvLayout(shape.Layers, shape.KvHeads, shape.HeadSize, BlockSize), maxRows * 8 + positions / BlockSize * 32);
        _batch = new StepBatch(maxRows, maxRows);
        _residual = device.AllocateTensor(maxRows, shape.Width);
        _query = device.AllocateTensor(maxRows, queries);
        _key = device.AllocateTensor(maxRows, keys);
        _value = device.AllocateTensor(maxRows, keys);
        _attention = device.AllocateTensor(maxRows, queries);
        _logits = device.AllocateTensor(64, shape.VocabularySize);
    }

    /// <summary>One step: <paramref name="tokens"/> of each of the sequences, after <paramref name="context"/> positions.</summary>
    public void Step(int sequences, int tokens, int context)
    {
        _batch.Clear();
        int blocks = (context + tokens + BlockSize - 1) / BlockSize;
        for (int s = 0; s < sequences; s++)
        {
            _batch.AddSequence([.. Enumerable.Range(0, tokens).Select(i => i * 31 % _shape.VocabularySize)], context, [.. Enumerable.Range(s * blocks, blocks)], BlockSize, 1);
        }

        Time("begin", () => _device.BeginStep(_batch));
        Time("embed", () => _device.Embed(_embeddings, _residual));
        for (int i = 0; i < _layers.Length; i++)
        {
            Layer layer = _layers[i];
            Time("qkv", () => _device.NormedProjection(_residual, _norm, 1e-5f, [new(layer.Query, null, _query), new(layer.Key, null, _key), new(layer.Value, null, _value)]));
            Time("rope", () => _device.RopeAppend(_query, _key, _value, _heads, _rope, null, _cache, i));
            Time("attention", () => _device.Attention(_query, _cache, i, _heads, _attention));
            Time("output", () => _device.ResidualProjection(_attention, layer.Output, null, _residual));
            Time("feed-forward", () => _device.GatedFeedForward(_residual, _norm, 1e-5f, layer.Gate, layer.Up, layer.Down));
        }

        Time("logits", () => _device.Logits(_residual, _norm, 1e-5f, _output, _logits));
    }

    /// <summary>Bytes of all weights.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>Seconds spent in each operation since the last reset.</summary>
    public Dictionary<string, double> Seconds { get; } = [];

    public void Dispose()
    {
        foreach (Layer layer in _layers)
        {
            foreach (Matrix matrix in (Matrix[])[layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down])
            {
                matrix.Dispose();
            }
        }

        foreach (IDisposable memory in (IDisposable[])[_embeddings, _output, _norm, _rope, _cache, _residual, _query, _key, _value, _attention, _logits])
        {
            memory.Dispose();
        }
    }

    private void Time(string name, Action operation)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        operation();
        Seconds[name] = Seconds.GetValueOrDefault(name) + System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private Matrix Load(GgmlType wanted, int rows, int columns)
    {
        // Rows that are not whole super-blocks get the type that llama.cpp's quantiser falls back to.
        GgmlType type = columns % wanted.BlockElements() == 0 ? wanted : wanted switch
        {
            GgmlType.Q4_K => GgmlType.Q5_0,
            GgmlType.Q5_K => GgmlType.Q5_1,
            _ => GgmlType.Q8_0,
        };
        byte[] bytes = GC.AllocateUninitializedArray<byte>(checked((int)(rows * type.RowBytes(columns))), pinned: true);
        _random.NextBytes(bytes);
        WeightBytes += bytes.Length;
        if (type is GgmlType.F16 or GgmlType.BF16)
        {
            // Any bits would include infinities: keep exponents around 2^-7.
            for (int i = 1; i < bytes.Length; i += 2)
            {
                bytes[i] = (byte)(bytes[i] & 0x83 | 0x20);
            }
        }
        else
        {
            // The high byte of every half-precision scale sits at the block's start, or just before its end (Q6_K).
            int block = type.BlockBytes();
            int scale = type == GgmlType.Q6_K ? 209 : 1;
            for (int i = 0; i < bytes.Length; i += block)
            {
                bytes[i + scale] = 0x1c;
                if (type is GgmlType.Q4_1 or GgmlType.Q5_1 or GgmlType.Q4_K or GgmlType.Q5_K)
                {
                    bytes[i + 3] = 0x1c;
                }
            }
        }

        return _device.LoadMatrix(TensorData.FromBytes("random", type, rows, columns, bytes));
    }

    private sealed record Layer(Matrix Query, Matrix Key, Matrix Value, Matrix Output, Matrix Gate, Matrix Up, Matrix Down);
}
