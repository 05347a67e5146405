namespace ServingGrid.Model.Tokenization.Merging;

/// <summary>
/// Byte-pair merging: of all neighbours in a word, those with the smallest priority merge first, the leftmost of equal ones,
/// until none merges. Short words are searched; long ones keep their pairs in a heap over a linked list, so that a word
/// of n symbols takes O(n log n) steps whatever it holds.
/// </summary>
internal static class SymbolMerger
{
    // Below this, searching all pairs for the best one beats the heap.
    private const int ShortWord = 24;

    /// <summary>Merges in place.</summary>
    /// <returns>The number of symbols left, which stand at the start of <paramref name="symbols"/>.</returns>
    public static int Merge(Span<int> symbols, PairTable pairs, EncodeScratch scratch) => symbols.Length switch
    {
        < 2 => symbols.Length,
        <= ShortWord => MergeShort(symbols, pairs, scratch),
        _ => MergeLong(symbols, pairs, scratch),
    };

    private static int MergeShort(Span<int> symbols, PairTable pairs, EncodeScratch scratch)
    {
        Span<uint> priority = stackalloc uint[ShortWord];
        Span<int> merged = stackalloc int[ShortWord];
        int count = symbols.Length;
        for (int i = 0; i + 1 < count; i++)
        {
            priority[i] = pairs.Find(symbols[i], symbols[i + 1], out merged[i]);
        }

        scratch.Steps += count;
        while (true)
        {
            int best = -1;
            uint lowest = PairTable.Never;
            for (int i = 0; i + 1 < count; i++)
            {
                if (priority[i] < lowest)
                {
                    (best, lowest) = (i, priority[i]);
                }
            }

            scratch.Steps += count;
            if (best < 0)
            {
                return count;
            }

            symbols[best] = merged[best];
            count--;
            symbols[(best + 2)..(count + 1)].CopyTo(symbols[(best + 1)..]);
            priority[(best + 1)..count].CopyTo(priority[best..]);
            merged[(best + 1)..count].CopyTo(merged[best..]);
            if (best + 1 < count)
            {
                priority[best] = pairs.Find(symbols[best], symbols[best + 1], out merged[best]);
            }

            if (best > 0)
            {
                priority[best - 1] = pairs.Find(symbols[best - 1], symbols[best], out merged[best - 1]);
            }
        }
    }

    private static int MergeLong(Span<int> symbols, PairTable pairs, EncodeScratch scratch)
    {
        int count = symbols.Length;
        LinkedSymbols links = scratch.Links(count);
        Span<int> next = links.Next.AsSpan(0, count);
        Span<int> previous = links.Previous.AsSpan(0, count);

        // Of the pair that starts at a symbol: Never as soon as the symbol is gone or the last one.
        Span<uint> priority = links.Priority.AsSpan(0, count);
        Span<int> merged = links.Merged.AsSpan(0, count);
        MergeHeap heap = scratch.Heap;
        heap.Clear();
        for (int i = 0; i < count; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
            priority[i] = i + 1 < count ? pairs.Find(symbols[i], symbols[i + 1], out merged[i]) : PairTable.Never;
            if (priority[i] != PairTable.Never)
            {
                heap.Push(priority[i], i);
            }
        }

        while (heap.TryPop(out uint popped, out int left))
        {
            // The pair may have changed since it was pushed; then it was pushed again as what it is now.
            if (priority[left] != popped)
            {
                continue;
            }

            int right = next[left];
            symbols[left] = merged[left];
            priority[right] = PairTable.Never;
            next[left] = next[right];
            if (next[left] < count)
            {
                previous[next[left]] = left;
            }

            Renew(left, symbols, next, priority, merged);
            if (previous[left] >= 0)
            {
                Renew(previous[left], symbols, next, priority, merged);
            }
        }

        scratch.Steps += count + heap.Operations;
        int kept = 0;
        for (int i = 0; i < count; i = next[i])
        {
            symbols[kept++] = symbols[i];
        }

        return kept;

        void Renew(int left, Span<int> symbols, Span<int> next, Span<uint> priority, Span<int> merged)
        {
            priority[left] = next[left] < symbols.Length ? pairs.Find(symbols[left], symbols[next[left]], out merged[left]) : PairTable.Never;
            if (priority[left] != PairTable.Never)
            {
                heap.Push(priority[left], left);
            }
        }
    }
}
