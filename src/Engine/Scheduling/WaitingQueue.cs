namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// Sequences without blocks, by priority, then turn: a preempted one stands before all whose turn is later, so it is first in line again.
/// Not thread-safe.
/// </summary>
internal sealed class WaitingQueue
{
    private readonly List<Sequence> _sequences = [];

    public int Count => _sequences.Count;

    public Sequence this[int index] => _sequences[index];

    public void Add(Sequence sequence) => _sequences.InsertInOrder(sequence);

    public void RemoveAt(int index) => _sequences.RemoveAt(index);

    public bool Remove(Sequence sequence) => _sequences.Remove(sequence);
}

/// <summary>The one order of sequences.</summary>
internal static class SequenceOrder
{
    /// <summary>Keeps a list in the order of <see cref="Sequence.ComesBefore"/>.</summary>
    public static void InsertInOrder(this List<Sequence> list, Sequence sequence)
    {
        int index = list.Count;
        while (index > 0 && sequence.ComesBefore(list[index - 1]))
        {
            index--;
        }

        list.Insert(index, sequence);
    }
}
