namespace ServingGrid.Engine.Sampling;

/// <summary>The most likely tokens of a logit vector, in order. Pure functions.</summary>
internal static class TopSelector
{
    /// <summary>
    /// The <c>best.Length</c> best of <paramref name="logits"/>, best first. A heap of the best so far with the worst of them on top: most
    /// logits cost one comparison.
    /// </summary>
    public static void SelectTop(ReadOnlySpan<float> logits, Span<Candidate> best)
    {
        int count = best.Length;
        for (int i = 0; i < count; i++)
        {
            best[i] = new Candidate(i, logits[i]);
        }

        for (int i = (count / 2) - 1; i >= 0; i--)
        {
            SiftDown(best, i);
        }

        float worst = best[0].Logit;
        for (int i = count; i < logits.Length; i++)
        {
            // Equal logits have a higher id here, so they come after.
            if (logits[i] > worst)
            {
                best[0] = new Candidate(i, logits[i]);
                SiftDown(best, 0);
                worst = best[0].Logit;
            }
        }

        best.Sort();
    }

    private static void SiftDown(Span<Candidate> heap, int i)
    {
        Candidate item = heap[i];
        while (true)
        {
            int child = (2 * i) + 1;
            if (child >= heap.Length)
            {
                break;
            }

            if (child + 1 < heap.Length && heap[child + 1].Key > heap[child].Key)
            {
                child++;
            }

            if (heap[child].Key <= item.Key)
            {
                break;
            }

            heap[i] = heap[child];
            i = child;
        }

        heap[i] = item;
    }
}
