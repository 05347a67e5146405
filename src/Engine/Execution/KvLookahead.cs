using ServingGrid.Kernels;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// Tells a KV cache in time which blocks will be written next, so that steps find memory there (see <see cref="KvCache.Expect"/>). Fresh blocks are handed out
/// in ascending order, so that one number says it. Not thread-safe.
/// </summary>
internal sealed class KvLookahead
{
    // Three prompts of a thousand tokens for a model of 135M parameters; what an idle engine may hold more than it has used.
    private const long MarginBytes = 64 << 20;
    private const int MinMarginBlocks = 4;
    private readonly KvCache _cache;
    private readonly int _margin;
    private int _announced;

    /// <summary>Announces the first blocks.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="all">Announces every block, now.</param>
    public KvLookahead(KvCache cache, bool all)
    {
        _cache = cache;
        _margin = all ? cache.BlockCount : (int)Math.Clamp(MarginBytes / cache.Layout.BlockBytesAllLayers, MinMarginBlocks, int.MaxValue / 2);
        Note(0);
    }

    /// <summary>Announces more once half of the margin is used up: rarely. Allocates nothing.</summary>
    /// <param name="handedOut">Blocks that were handed out at least once: all below it.</param>
    public void Note(int handedOut)
    {
        if (_announced < _cache.BlockCount && _announced - handedOut < _margin / 2)
        {
            _announced = (int)Math.Min((long)handedOut + _margin, _cache.BlockCount);
            _cache.Expect(_announced);
        }
    }
}
