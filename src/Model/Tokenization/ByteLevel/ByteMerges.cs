using ServingGrid.Model.Tokenization.Merging;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tokenization.ByteLevel;

/// <summary>
/// The merges of a byte-level vocabulary by symbol. A symbol is a token, or, from the size of the vocabulary on, a spelling
/// that merges mention but that is no token. Immutable once built.
/// </summary>
internal sealed class ByteMerges
{
    private readonly Vocabulary _vocabulary;
    private readonly Dictionary<string, int> _others = [];
    private readonly List<int[]> _tokensOfOthers = [];

    /// <exception cref="Gguf.GgufException">There are no merges, or one of them is no pair.</exception>
    public ByteMerges(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        string[] merges = vocabulary.Definition.Merges ?? throw vocabulary.Definition.Broken("key 'tokenizer.ggml.merges' is missing");
        for (int rank = 0; rank < merges.Length; rank++)
        {
            // A space can be the first character of the left part, never a later one.
            int space = merges[rank].Length < 3 ? -1 : merges[rank].IndexOf(' ', 1);
            if (space < 0)
            {
                throw vocabulary.Definition.Broken($"merge {rank} is no pair");
            }

            string left = merges[rank][..space];
            string right = merges[rank][(space + 1)..];
            Pairs.TryAdd(Symbol(left), Symbol(right), (uint)rank, Symbol(left + right));
        }

        for (int value = 0; value < 256; value++)
        {
            OfByte[value] = Symbol(ByteAlphabet.Character((byte)value).ToString());
        }
    }

    public PairTable Pairs { get; } = new();

    /// <summary>The symbol of each byte.</summary>
    public int[] OfByte { get; } = new int[256];

    /// <summary>Most bytes of a symbol that is no token; null if there is one of which no token is left, so that text may vanish.</summary>
    public int? LongestOther => _tokensOfOthers.Exists(tokens => tokens.Length == 0)
        ? null
        : _others.Keys.Select(spelling => spelling.Length).DefaultIfEmpty().Max();

    /// <summary>Appends the token of a symbol, or what is left of it if it is none.</summary>
    public void AddTokens(int symbol, List<int> output)
    {
        if (symbol < _vocabulary.Count)
        {
            output.Add(symbol);
        }
        else
        {
            output.AddRange(_tokensOfOthers[symbol - _vocabulary.Count]);
        }
    }

    private int Symbol(string spelling)
    {
        if (_vocabulary.Find(spelling) is { } token)
        {
            return token;
        }

        if (_others.TryGetValue(spelling, out int symbol))
        {
            return symbol;
        }

        // As in llama.cpp: the ASCII characters that are tokens by themselves.
        _tokensOfOthers.Add([.. spelling.Where(char.IsAscii).Select(c => _vocabulary.Find(c.ToString())).OfType<int>()]);
        return _others[spelling] = _vocabulary.Count + _others.Count;
    }
}
