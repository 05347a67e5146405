using System.Runtime.InteropServices;
using ServingGrid.Engine.Execution;
using ServingGrid.Kernels;
using ServingGrid.Model;

namespace ServingGrid.Benchmarks.Models;

/// <summary>A model on a device, driven step by step as an engine does, greedy choice included. One thread.</summary>
internal sealed class ModelRunner : IDisposable
{
    private readonly Device _device;
    private readonly DeviceModel _model;
    private readonly ForwardPass _forward;
    private readonly KvCache _cache;
    private readonly StepBatch _batch;
    private readonly int[] _blocks;
    private readonly int[] _tokens;
    private readonly int[] _ids;
    private readonly float[] _values;
    private readonly int _chunk;

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Not needed afterwards.</param>
    /// <param name="device">Stays the caller's.</param>
    /// <param name="chunk">Most prompt tokens of a step.</param>
    /// <param name="maxSequences">Most sequences of a step.</param>
    /// <param name="positions">Positions that the KV cache holds in all.</param>
    public ModelRunner(ModelConfig config, ModelWeights weights, Device device, int chunk, int maxSequences, int positions)
    {
        _device = device;
        _chunk = chunk;
        _model = new DeviceModel(config, weights, device);
        _model.PrepareRope(device, config.ContextLength);
        _forward = new ForwardPass(device, _model, Math.Max(chunk, maxSequences), maxSequences);
        var layout = new KvLayout(config.Layers, config.KvHeads, config.HeadSize);
        _cache = device.AllocateKvCache(layout, (positions + layout.BlockSize - 1) / layout.BlockSize);
        _batch = new StepBatch(Math.Max(chunk, maxSequences), maxSequences);
        _blocks = [.. Enumerable.Range(0, _cache.BlockCount)];
        _ids = new int[maxSequences];
        _values = new float[maxSequences];
        var random = new Random(1);
        _tokens = [.. Enumerable.Range(0, positions).Select(_ => random.Next(config.VocabularySize))];
        FillCache(random);
    }

    private int BlockSize => _cache.Layout.BlockSize;

    /// <summary>Computes a prompt from its first token and chooses the next one.</summary>
    public void Prefill(int tokens)
    {
        for (int at = 0; at < tokens; at += _chunk)
        {
            int rows = Math.Min(_chunk, tokens - at);
            _batch.Clear();
            _batch.AddSequence(_tokens.AsSpan(at, rows), at, _blocks, BlockSize, at + rows == tokens ? 1 : 0);
            Run();
        }
    }

    /// <summary>Lets sequences choose tokens, one in each step, from a context whose KV is random.</summary>
    public void Decode(int sequences, int context, int steps)
    {
        int blocks = (context + steps + BlockSize - 1) / BlockSize;
        for (int step = 0; step < steps; step++)
        {
            _batch.Clear();
            for (int s = 0; s < sequences; s++)
            {
                _batch.AddSequence(_tokens.AsSpan(step, 1), context + step, _blocks.AsSpan(s * blocks, blocks), BlockSize, 1);
            }

            Run();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Dispose();
        _forward.Dispose();
        _model.Dispose();
    }

    private void Run()
    {
        _forward.Run(_batch, _cache);
        int rows = _batch.SampledRowCount;
        if (rows > 0)
        {
            _device.TopCandidates(_forward.Logits, rows, 1, _ids.AsSpan(0, rows), _values.AsSpan(0, rows));
            return;
        }

        using DeviceEvent done = _device.Record();
        done.Wait();
    }

    // Values as those of a real cache, rather than zeroes, which some machines compute faster.
    private void FillCache(Random random)
    {
        byte[] block = new byte[_cache.Layout.BlockBytesAllLayers];
        Span<Half> values = MemoryMarshal.Cast<byte, Half>(block.AsSpan());
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (Half)(random.NextSingle() * 2 - 1);
        }

        for (int i = 0; i < _blocks.Length; i++)
        {
            _device.Scatter(_cache, 0, _cache.Layout.Layers, [i], block);
        }
    }
}
