namespace ServingGrid.Model.Tokenization.Vocabularies;

/// <summary>
/// The tokens of a model and what each of them is. Immutable and safe to use from any thread.
/// </summary>
internal sealed class Vocabulary
{
    private readonly TokenAttributes[] _attributes;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _idsBySpan;

    public Vocabulary(VocabularyDefinition definition)
    {
        Definition = definition;
        Pieces = [.. definition.Tokens.Select((token, id) => token.Length == 0 ? $"[EMPTY_{id}]" : token)];
        _attributes = new TokenAttributes[Pieces.Length];
        var ids = new Dictionary<string, int>(Pieces.Length);
        for (int id = 0; id < Pieces.Length; id++)
        {
            ids[Pieces[id]] = id;
            _attributes[id] = definition.Types is null ? TokenAttributes.Normal : OfType(definition.Types[id]);
        }

        _idsBySpan = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        EndOfGeneration = FindEndOfGeneration();
        MarkStripRight();
        SwallowsSpace = Array.Exists(_attributes, attributes => attributes.HasFlag(TokenAttributes.StripRight));
    }

    public VocabularyDefinition Definition { get; }

    /// <summary>Token texts as the file spells them.</summary>
    public string[] Pieces { get; }

    /// <summary>Tokens that end an answer, ascending.</summary>
    public int[] EndOfGeneration { get; }

    /// <summary>True when a special token takes the white space after it, however much it is.</summary>
    public bool SwallowsSpace { get; }

    public int Count => Pieces.Length;

    public TokenAttributes Attributes(int token) => _attributes[token];

    public bool Is(int token, TokenAttributes any) => (_attributes[token] & any) != 0;

    /// <summary>The token with that text; of several, the last one.</summary>
    public int? Find(ReadOnlySpan<char> piece) => _idsBySpan.TryGetValue(piece, out int id) ? id : null;

    private static TokenAttributes OfType(int type) => type switch
    {
        1 => TokenAttributes.Normal,
        2 => TokenAttributes.Unknown,
        3 => TokenAttributes.Control,
        4 => TokenAttributes.UserDefined,
        5 => TokenAttributes.Unused,
        6 => TokenAttributes.Byte,
        _ => TokenAttributes.None,
    };

    private int[] FindEndOfGeneration()
    {
        var found = new SortedSet<int>();
        foreach (string[] texts in WellKnownTokens.Fill)
        {
            First(texts);
        }

        Add(Definition.FillPad ?? First(WellKnownTokens.FillPad));
        Add(Definition.FillRepository ?? First(WellKnownTokens.FillRepository));
        Add(Definition.FillSeparator ?? First(WellKnownTokens.FillSeparator));
        foreach (string text in WellKnownTokens.EndOfGeneration)
        {
            Add(First(text));
        }

        foreach (string text in WellKnownTokens.AlwaysText)
        {
            MakeText(text);
        }

        Add(Definition.Eos);
        Add(Definition.EndOfTurn);
        Add(Definition.EndOfMessage);

        // In these two families "<|end|>" closes a part of an answer and "</s>" is an ordinary word.
        if ((Has("<|return|>") && (Has("<|call|>") || Has("<|calls|>"))) || ((Has("<|call|>") || Has("<|calls|>")) && Has("<|flush|>")))
        {
            Remove("<|end|>", TokenAttributes.UserDefined);
        }

        if (Has("<|tool_response>"))
        {
            Remove("</s>", TokenAttributes.Normal);
        }

        return [.. found];

        // The first of the texts that is a token, which becomes a control token.
        int? First(params ReadOnlySpan<string> texts)
        {
            foreach (string text in texts)
            {
                if (Find(text) is { } id)
                {
                    _attributes[id] |= TokenAttributes.Control;
                    return id;
                }
            }

            return null;
        }

        void Add(int? id)
        {
            if (id is { } token)
            {
                found.Add(token);
            }
        }

        bool Has(string text) => Find(text) is { } id && found.Contains(id);

        void Remove(string text, TokenAttributes becomes)
        {
            if (Find(text) is { } id && found.Remove(id))
            {
                _attributes[id] = becomes;
            }
        }

        void MakeText(string text)
        {
            if (Find(text) is { } id)
            {
                _attributes[id] = TokenAttributes.UserDefined;
            }
        }
    }

    // Phi-3's special tokens swallow the white space after them; no metadata key says so.
    private void MarkStripRight()
    {
        string name = Definition.ModelName;
        if (!name.Contains("phi-3", StringComparison.OrdinalIgnoreCase) && !name.Contains("phi3", StringComparison.OrdinalIgnoreCase))
        {
            return;
        }

        for (int id = 0; id < Count; id++)
        {
            if (Is(id, SpecialTokenSplitter.Recognised) && Pieces[id] is not ("<unk>" or "<s>" or "<|endoftext|>"))
            {
                _attributes[id] |= TokenAttributes.StripRight;
            }
        }
    }
}
