using ServingGrid.Engine.Execution;
using ServingGrid.Kernels;
using ServingGrid.Model;

namespace ServingGrid.Engine.Tests.Gpu;

/// <summary>One sequence of seeded tokens on some device, through the forward pass.</summary>
internal sealed class SequenceRig : IDisposable
{
    private const int Context = 96;

    private readonly Device _device;
    private readonly DeviceModel _model;
    private readonly ForwardPass _forward;
    private readonly KvCache _cache;
    private readonly StepBatch _batch = new(Context, 1);
    private readonly int[] _table;
    private readonly int[] _tokens;
    private int _length;

    /// <param name="device">Stays the caller's.</param>
    /// <param name="file">Stays the caller's, and open.</param>
    /// <param name="kv">Element type of the cache.</param>
    public SequenceRig(Device device, ModelFile file, KvType kv)
    {
        ModelConfig config = file.Config;
        _device = device;
        _model = new DeviceModel(config, file.Weights, device);
        _model.PrepareRope(device, Context);
        _forward = new ForwardPass(device, _model, Context, 1);
        var layout = new KvLayout(config.Layers, config.KvHeads, config.HeadSize, Type: kv);
        _table = [.. Enumerable.Range(0, Context / layout.BlockSize).Reverse()];
        _cache = device.AllocateKvCache(layout, _table.Length);
        var random = new Random(7);
        _tokens = [.. Enumerable.Range(0, Context).Select(_ => random.Next(config.VocabularySize))];
    }

    /// <summary>Logits after the last of so many more tokens.</summary>
    public float[] Feed(int rows)
    {
        _batch.Clear();
        _batch.AddSequence(_tokens.AsSpan(_length, rows), _length, _table, _cache.Layout.BlockSize, 1);
        _forward.Run(_batch, _cache);
        float[] logits = new float[_model.Config.VocabularySize];
        _device.Read(_forward.Logits, 0, 1, logits);
        _length += rows;
        return logits;
    }

    /// <summary>Makes the other rig, whose cache has the same layout, go on after this one's last token.</summary>
    public void SendTo(SequenceRig other)
    {
        int blocks = (_length + _cache.Layout.BlockSize - 1) / _cache.Layout.BlockSize;
        byte[] bytes = new byte[blocks * _cache.Layout.BlockBytesAllLayers];
        using (DeviceEvent done = _device.Record())
        {
            _device.Gather(_cache, 0, _cache.Layout.Layers, _table.AsSpan(0, blocks), bytes, done);
        }

        other._device.Scatter(other._cache, 0, _cache.Layout.Layers, other._table.AsSpan(0, blocks), bytes);
        other._length = _length;
    }

    public void Dispose()
    {
        _cache.Dispose();
        _forward.Dispose();
        _model.Dispose();
    }
}
