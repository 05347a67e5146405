using ServingGrid.Kernels;
using ServingGrid.Model;

namespace ServingGrid.Engine.Execution;

/// <summary>All that an engine holds on its device: weights, activations, KV cache.</summary>
internal sealed class EngineResources : IDisposable
{
    public EngineResources(Device device, ModelConfig config, ModelWeights weights, EngineOptions options)
    {
        Device = device;
        Layout = new KvLayout(config.Layers, config.KvHeads, config.HeadSize, options.BlockSize, options.KvType);
        device.CheckAttention(new AttentionShape(config.Heads, config.KvHeads, config.HeadSize));
        int context = Math.Min(config.ContextLength, options.ContextLength ?? config.ContextLength);
        Model = new DeviceModel(config, weights, device);
        try
        {
            Forward = new ForwardPass(device, Model, options.MaxBatchTokens, options.MaxSequences);
            BlockCount = CountBlocks(options, context);
            ContextLength = (int)Math.Min(context, (long)BlockCount * options.BlockSize);
            Cache = device.AllocateKvCache(Layout, BlockCount + 1);
            Model.PrepareRope(device, ContextLength);
        }
        catch
        {
            Cache?.Dispose();
            Forward?.Dispose();
            Model.Dispose();
            throw;
        }
    }

    public Device Device { get; }

    public DeviceModel Model { get; }

    public ForwardPass Forward { get; }

    public KvLayout Layout { get; }

    /// <summary>Of <see cref="BlockCount"/> blocks, and <see cref="ProbeBlock"/>.</summary>
    public KvCache Cache { get; }

    /// <summary>Blocks for sequences: 0 … this − 1.</summary>
    public int BlockCount { get; }

    /// <summary>No sequence's: see <see cref="Probe"/>.</summary>
    public int ProbeBlock => BlockCount;

    /// <summary>Longest sequence that model, options and KV cache allow.</summary>
    public int ContextLength { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Cache.Dispose();
        Forward.Dispose();
        Model.Dispose();
    }

    // Those of sequences. The probe's is one more, and is within what a number of bytes or the device's memory allows.
    private int CountBlocks(EngineOptions options, int context)
    {
        if (options.KvBlocks is { } blocks)
        {
            return blocks;
        }

        long bytes = options.KvMemoryBytes ?? (long)(Device.FreeMemoryBytes * options.KvMemoryFraction);
        long fitting = bytes / Layout.BlockBytesAllLayers;
        if (fitting < 3)
        {
            throw new ArgumentException(
                $"{bytes} bytes hold {fitting} KV blocks of {Layout.BlockBytesAllLayers} bytes; "
                + "at least 3 are needed, one of them for the engine itself",
                nameof(options));
        }

        // More than every sequence at full length could use would lie idle.
        long useful = (long)options.MaxSequences * ((context + options.BlockSize - 1) / options.BlockSize);
        return (int)Math.Max(2, Math.Min(Math.Min(fitting - 1, useful), 1 << 24));
    }
}
