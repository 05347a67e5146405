namespace ServingGrid.Model.Tokenization.Merging;

/// <summary>The memory that encoding one text needs, grown as it goes. Belongs to one call at a time.</summary>
internal sealed class EncodeScratch
{
    private LinkedSymbols _links = new(0);
    private int[] _symbols = new int[256];
    private char[] _characters = [];
    private bool _exceeded;

    /// <summary>Ids found so far.</summary>
    public List<int> Output { get; } = [];

    /// <summary>More tokens than these are of no use: encoding may stop.</summary>
    public int MaxTokens { get; init; } = int.MaxValue;

    /// <summary>True once there are more: what is in the output is not the whole text.</summary>
    public bool IsFull => Output.Count > MaxTokens || _exceeded;

    /// <summary>Tokens that may still come.</summary>
    public int Room => MaxTokens - Output.Count;

    /// <summary>It is certain that there would be more tokens than are of use.</summary>
    public void Exceed() => _exceeded = true;

    /// <summary>Work done so far, in steps that take constant time: what tests of linear time count.</summary>
    public long Steps { get; set; }

    public MergeHeap Heap { get; } = new();

    /// <summary>Room for <paramref name="count"/> symbols, whatever it held before.</summary>
    public Span<int> Symbols(int count)
    {
        if (_symbols.Length < count)
        {
            _symbols = new int[Math.Max(count, _symbols.Length * 2)];
        }

        return _symbols.AsSpan(0, count);
    }

    /// <summary>Room for <paramref name="count"/> characters, whatever it held before.</summary>
    public Span<char> Characters(int count)
    {
        if (_characters.Length < count)
        {
            _characters = new char[count];
        }

        return _characters.AsSpan(0, count);
    }

    /// <summary>Arrays of at least <paramref name="count"/> elements, whatever they held before.</summary>
    public LinkedSymbols Links(int count)
    {
        if (_links.Next.Length < count)
        {
            _links = new LinkedSymbols(Math.Max(count, _links.Next.Length * 2));
        }

        return _links;
    }
}

/// <summary>Symbols of a word as a doubly linked list, and the pair that starts at each.</summary>
internal sealed class LinkedSymbols(int capacity)
{
    public int[] Next { get; } = new int[capacity];

    public int[] Previous { get; } = new int[capacity];

    public uint[] Priority { get; } = new uint[capacity];

    public int[] Merged { get; } = new int[capacity];
}
