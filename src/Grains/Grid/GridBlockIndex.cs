using System.Runtime.InteropServices;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// Which devices hold which KV blocks: hash → slots of devices. Made for a million blocks on a thousand devices: a block that
/// one device holds (most do) takes one dictionary entry and no allocation. Not thread-safe.
/// </summary>
public sealed class GridBlockIndex
{
    private readonly Dictionary<ulong, Holders> _blocks = [];
    private readonly Dictionary<int, HashSet<ulong>> _devices = [];

    /// <summary>Distinct blocks.</summary>
    public int Count => _blocks.Count;

    public void Add(int device, ulong hash)
    {
        if (Of(device).Add(hash))
        {
            ref Holders holders = ref CollectionsMarshal.GetValueRefOrAddDefault(_blocks, hash, out bool known);
            holders = known ? holders.With(device) : new Holders(device, null);
        }
    }

    public void Remove(int device, ulong hash)
    {
        if (Of(device).Remove(hash))
        {
            RemoveHolder(device, hash);
        }
    }

    /// <summary>Forgets all blocks of a device.</summary>
    public void Clear(int device)
    {
        if (_devices.Remove(device, out HashSet<ulong>? hashes))
        {
            foreach (ulong hash in hashes)
            {
                RemoveHolder(device, hash);
            }
        }
    }

    /// <summary>Blocks that a device holds.</summary>
    public int CountOf(int device) => _devices.TryGetValue(device, out HashSet<ulong>? hashes) ? hashes.Count : 0;

    /// <summary>
    /// For each device slot the number of leading blocks of <paramref name="chain"/> that it holds, added to <paramref name="matched"/>
    /// (zeroed by the caller, one entry per slot).
    /// </summary>
    public void Match(ReadOnlySpan<ulong> chain, Span<int> matched)
    {
        for (int i = 0; i < chain.Length; i++)
        {
            if (!_blocks.TryGetValue(chain[i], out Holders holders))
            {
                return;
            }

            bool any = false;
            foreach (int device in holders.More ?? [])
            {
                any |= Extend(matched, device, i);
            }

            if (holders.More is null)
            {
                any = Extend(matched, holders.Only, i);
            }

            if (!any)
            {
                return;
            }
        }
    }

    /// <summary>Number of leading blocks of <paramref name="chain"/> that one device holds.</summary>
    public int MatchOne(int device, ReadOnlySpan<ulong> chain)
    {
        int count = 0;
        if (_devices.TryGetValue(device, out HashSet<ulong>? hashes))
        {
            while (count < chain.Length && hashes.Contains(chain[count]))
            {
                count++;
            }
        }

        return count;
    }

    private static bool Extend(Span<int> matched, int device, int depth)
    {
        // A block counts only when the device has all those before it.
        if ((uint)device >= (uint)matched.Length || matched[device] != depth)
        {
            return false;
        }

        matched[device]++;
        return true;
    }

    private HashSet<ulong> Of(int device)
    {
        ref HashSet<ulong>? hashes = ref CollectionsMarshal.GetValueRefOrAddDefault(_devices, device, out _);
        return hashes ??= [];
    }

    private void RemoveHolder(int device, ulong hash)
    {
        ref Holders holders = ref CollectionsMarshal.GetValueRefOrNullRef(_blocks, hash);
        if (holders.Without(device) is { } left)
        {
            holders = left;
        }
        else
        {
            _blocks.Remove(hash);
        }
    }

    /// <summary>One device, or several.</summary>
    private readonly record struct Holders(int Only, int[]? More)
    {
        public Holders With(int device) => new(-1, More is null ? [Only, device] : [.. More, device]);

        public Holders? Without(int device) => More switch
        {
            null => null,
            { Length: 2 } => new Holders(More[0] == device ? More[1] : More[0], null),
            _ => new Holders(-1, Array.FindAll(More, holder => holder != device)),
        };
    }
}
