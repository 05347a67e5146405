namespace ServingGrid.Model.Tokenization.Merging;

/// <summary>A binary heap of pairs to merge: smallest priority first, of equal ones the leftmost. Not safe for several threads.</summary>
internal sealed class MergeHeap
{
    // Priority in the upper half and position in the lower one, so that one comparison orders by both.
    private ulong[] _items = new ulong[64];
    private int _count;

    /// <summary>Pushes, pops and the levels they moved through since <see cref="Clear"/>.</summary>
    public long Operations { get; private set; }

    public void Clear()
    {
        _count = 0;
        Operations = 0;
    }

    public void Push(uint priority, int position)
    {
        if (_count == _items.Length)
        {
            Array.Resize(ref _items, _count * 2);
        }

        ulong item = ((ulong)priority << 32) | (uint)position;
        int at = _count++;
        for (Operations++; at > 0 && item < _items[(at - 1) / 2]; Operations++)
        {
            _items[at] = _items[(at - 1) / 2];
            at = (at - 1) / 2;
        }

        _items[at] = item;
    }

    public bool TryPop(out uint priority, out int position)
    {
        if (_count == 0)
        {
            (priority, position) = (0, 0);
            return false;
        }

        priority = (uint)(_items[0] >> 32);
        position = (int)(uint)_items[0];
        ulong last = _items[--_count];
        int at = 0;
        for (Operations++; 2 * at + 1 < _count; Operations++)
        {
            int child = 2 * at + 1;
            child += child + 1 < _count && _items[child + 1] < _items[child] ? 1 : 0;
            if (last <= _items[child])
            {
                break;
            }

            _items[at] = _items[child];
            at = child;
        }

        _items[at] = last;
        return true;
    }
}
