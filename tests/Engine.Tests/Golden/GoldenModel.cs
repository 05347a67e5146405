using ServingGrid.Engine.Execution;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Golden;

/// <summary>Runs the prompts of a reference file through the forward pass on some device.</summary>
internal sealed class GoldenModel : IDisposable
{
    private readonly ModelFile _file;
    private readonly DeviceModel _model;
    private readonly ForwardPass _forward;
    private readonly KvCache _cache;
    private readonly StepBatch _batch;
    private readonly int[] _table;

    public GoldenModel(string path, GoldenLogits golden, Device device, KvType kv)
    {
        Device = device;
        _file = ModelFile.Open(path);
        ModelConfig config = _file.Config;
        int context = golden.Cases.Max(one => one.Tokens.Length + one.Greedy.Length);
        int rows = golden.Cases.Max(one => one.Tokens.Length);
        var layout = new KvLayout(config.Layers, config.KvHeads, config.HeadSize, Type: kv);
        _model = new DeviceModel(config, _file.Weights, device);
        _model.PrepareRope(device, context);
        _forward = new ForwardPass(device, _model, rows, rows);
        _table = [.. Enumerable.Range(0, (context + layout.BlockSize - 1) / layout.BlockSize)];
        _cache = device.AllocateKvCache(layout, _table.Length);
        _batch = new StepBatch(rows, 1);
    }

    public Device Device { get; }

    /// <summary>Logits after each of <paramref name="tokens"/>, which follow those at positions before <paramref name="first"/>.</summary>
    public float[][] Feed(int[] tokens, int first)
    {
        _batch.Clear();
        _batch.AddSequence(tokens, first, _table, _cache.Layout.BlockSize, tokens.Length);
        _forward.Run(_batch, _cache);
        float[][] logits = [.. tokens.Select(_ => new float[_model.Config.VocabularySize])];
        for (int row = 0; row < tokens.Length; row++)
        {
            Device.Read(_forward.Logits, row, 1, logits[row]);
        }

        return logits;
    }

    public void Dispose()
    {
        _cache.Dispose();
        _forward.Dispose();
        _model.Dispose();
        _file.Dispose();
    }
}
