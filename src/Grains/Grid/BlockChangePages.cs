using ServingGrid.Engine.Blocks;

namespace ServingGrid.Grains.Grid;

/// <summary>Cuts an engine's cache events into messages of bounded size.</summary>
internal static class BlockChangePages
{
    /// <summary>Most hashes of a message: 128 KB.</summary>
    public const int Hashes = 16 * 1024;

    /// <summary>One item for each message to send, in order; a single null when nothing changed.</summary>
    /// <param name="events">What the engine said.</param>
    /// <param name="after">What it was asked with; 0 starts anew.</param>
    public static IEnumerable<BlockChanges?> Split(PrefixCacheEvents events, long after)
    {
        bool reset = after == 0 || events.IsSnapshot;
        if (!reset && events.LastId == after)
        {
            yield return null;
            yield break;
        }

        int position = 0, total = events.Stored.Count + events.Removed.Count;
        do
        {
            int end = Math.Min(position + Hashes, total);
            yield return new BlockChanges
            {
                // Pages of one snapshot carry one id: the next page follows the one before.
                After = position == 0 ? after : events.LastId,
                LastId = events.LastId,
                Reset = reset && position == 0,
                Stored = Page(events.Stored, position, end),
                Removed = Page(events.Removed, Math.Max(position - events.Stored.Count, 0), end - events.Stored.Count),
            };
            position = end;
        }
        while (position < total);
    }

    private static ulong[] Page(IReadOnlyList<UInt128> hashes, int from, int to)
    {
        to = Math.Min(to, hashes.Count);
        if (to <= from)
        {
            return [];
        }

        ulong[] page = new ulong[to - from];
        for (int i = 0; i < page.Length; i++)
        {
            page[i] = (ulong)hashes[from + i];
        }

        return page;
    }
}
