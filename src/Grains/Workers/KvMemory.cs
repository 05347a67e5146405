using ServingGrid.Engine;
using ServingGrid.Kernels;
using ServingGrid.Model;

namespace ServingGrid.Grains.Workers;

/// <summary>How large a worker's KV cache is when nobody says.</summary>
internal static class KvMemory
{
    /// <summary>
    /// Engine options with a KV cache of at most <see cref="WorkerOptions.DefaultKvSequences"/> full contexts: a toy model on a
    /// large machine must not take half of its memory.
    /// </summary>
    /// <exception cref="NotSupportedException">The device cannot have such a cache, or heads of this shape.</exception>
    public static EngineOptions Resolve(WorkerOptions options, ModelConfig config, Device device)
    {
        EngineOptions engine = options.ToEngineOptions();
        KvLayout layout = new(config.Layers, config.KvHeads, config.HeadSize, options.BlockSize, options.KvType);
        device.CheckKvCache(layout);
        device.CheckAttention(new AttentionShape(config.Heads, config.KvHeads, config.HeadSize));
        if (engine.KvMemoryBytes is not null)
        {
            return engine;
        }

        long context = Math.Min(options.ContextLength ?? config.ContextLength, config.ContextLength);
        long blocks = ((context + options.BlockSize - 1) / options.BlockSize * WorkerOptions.DefaultKvSequences) + 1;
        long wanted = blocks * layout.BlockBytesAllLayers;
        return device.FreeMemoryBytes is > 0 and long free && wanted > (long)(free * engine.KvMemoryFraction) ? engine : engine with { KvMemoryBytes = wanted };
    }
}
