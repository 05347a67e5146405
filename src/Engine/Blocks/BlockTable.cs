namespace ServingGrid.Engine.Blocks;

/// <summary>The blocks of one sequence, in order of position. Append-only while the sequence holds them. Not thread-safe.</summary>
internal sealed class BlockTable
{
    private int[] _blocks = new int[8];

    public int Count { get; private set; }

    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, Count);

    public void Add(int block)
    {
        if (Count == _blocks.Length)
        {
            Array.Resize(ref _blocks, Count * 2);
        }

        _blocks[Count++] = block;
    }

    public void Clear() => Count = 0;
}
