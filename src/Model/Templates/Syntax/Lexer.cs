using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Syntax;

/// <summary>
/// Splits a template into text and tags, with the whitespace rules of jinja2 3.1 under <c>trim_blocks</c> and
/// <c>lstrip_blocks</c>: the newline after a block tag is dropped, blanks between the start of a line and a block tag too, and
/// <c>-</c> or <c>+</c> at a tag's edge overrule that. One pass, linear time.
/// </summary>
internal sealed class Lexer
{
    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;

    // The text that follows begins a line as far as stripping is concerned: nothing, or a newline, came right before it.
    private bool _lineStarting = true;

    private Lexer(string source) => _source = source;

    /// <exception cref="ChatTemplateException">A syntax error.</exception>
    public static List<Token> Tokenize(string source)
    {
        string normal = source.Replace("\r\n", "\n").Replace('\r', '\n');
        var lexer = new Lexer(normal.EndsWith('\n') ? normal[..^1] : normal);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        while (_position < _source.Length)
        {
            int begin = NextTag(_position);
            if (begin < 0)
            {
                AddData(_source[_position..]);
                break;
            }

            char kind = _source[begin + 1];
            int afterSign = begin + 2;
            char sign = SignAt(ref afterSign);
            AddData(Stripped(_position, begin, sign, lineStrip: kind != '{'));
            _line += CountLines(_position, begin);
            _position = afterSign;
            switch (kind)
            {
                case '#': SkipComment(); break;
                case '%' when TryRawBegin(): break;
                case '%': ReadTag(TokenKind.BlockBegin, TokenKind.BlockEnd, '%'); break;
                default: ReadTag(TokenKind.VariableBegin, TokenKind.VariableEnd, '}'); break;
            }
        }

        _tokens.Add(new Token(TokenKind.End, "", _line));
    }

    private int NextTag(int from)
    {
        for (int i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#')
            {
                return i;
            }
        }

        return -1;
    }

    private char SignAt(ref int position) =>
        position < _source.Length && _source[position] is '-' or '+' ? _source[position++] : ' ';

    private void AddData(string text)
    {
        if (text.Length > 0)
        {
            _tokens.Add(new Token(TokenKind.Data, text, _line));
        }
    }

    private string Stripped(int from, int to, char sign, bool lineStrip)
    {
        int end = to;
        if (sign == '-')
        {
            while (end > from && PythonText.IsSpace(_source[end - 1]))
            {
                end--;
            }
        }
        else if (sign == ' ' && lineStrip)
        {
            int lineStart = to;
            while (lineStart > from && _source[lineStart - 1] != '\n' && PythonText.IsSpace(_source[lineStart - 1]))
            {
                lineStart--;
            }

            bool startsLine = lineStart == from ? _lineStarting : _source[lineStart - 1] == '\n';
            end = startsLine ? lineStart : to;
        }

        return _source[from..end];
    }

    private int CountLines(int from, int to) => _source.AsSpan(from, to - from).Count('\n');

    /// <summary>Moves past a tag's end at <see cref="_position"/> and what its sign and kind strip after it.</summary>
    private void PassEnd(int length, bool stripAll, bool trimNewline)
    {
        int start = _position;
        _position += length;
        if (stripAll)
        {
            while (_position < _source.Length && PythonText.IsSpace(_source[_position]))
            {
                _position++;
            }
        }
        else if (trimNewline && _position < _source.Length && _source[_position] == '\n')
        {
            _position++;
        }

        _line += CountLines(start, _position);
        _lineStarting = _source[_position - 1] == '\n';
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error("a comment has no end");
        }

        char sign = end > _position && _source[end - 1] is '-' or '+' ? _source[end - 1] : ' ';
        _line += CountLines(_position, end);
        _position = end;
        PassEnd(2, stripAll: sign == '-', trimNewline: sign == ' ');
    }

    private bool TryRawBegin()
    {
        int position = _position;
        if (!TryWord(ref position, "raw") || !TryEnd(ref position, '%', allowPlus: false, out bool strip))
        {
            return false;
        }

        _line += CountLines(_position, position - 2);
        _position = position - 2;
        PassEnd(2, strip, trimNewline: false);
        int content = _position;
        for (int begin = _source.IndexOf("{%", content, StringComparison.Ordinal); begin >= 0; begin = _source.IndexOf("{%", begin + 1, StringComparison.Ordinal))
        {
            int end = begin + 2;
            char sign = SignAt(ref end);
            if (!TryWord(ref end, "endraw") || !TryEnd(ref end, '%', allowPlus: true, out bool stripAfter))
            {
                continue;
            }

            AddData(Stripped(content, begin, sign, lineStrip: true));
            _line += CountLines(content, end - 2);
            _position = end - 2;
            PassEnd(2, stripAfter, trimNewline: _source[end - 3] != '+');
            return true;
        }

        throw Error("a raw block has no end");
    }

    private bool TryWord(ref int position, string word)
    {
        SkipBlanks(ref position);
        if (string.CompareOrdinal(_source, position, word, 0, word.Length) != 0)
        {
            return false;
        }

        position += word.Length;
        SkipBlanks(ref position);
        return true;
    }

    /// <summary>Passes <c>%}</c> with its sign; true for a sign of <c>-</c> in <paramref name="strip"/>.</summary>
    private bool TryEnd(ref int position, char mark, bool allowPlus, out bool strip)
    {
        strip = position < _source.Length && _source[position] == '-';
        if (strip || (allowPlus && position < _source.Length && _source[position] == '+'))
        {
            position++;
        }

        if (position + 1 >= _source.Length || _source[position] != mark || _source[position + 1] != '}')
        {
            return false;
        }

        position += 2;
        return true;
    }

    private void SkipBlanks(ref int position)
    {
        while (position < _source.Length && PythonText.IsSpace(_source[position]))
        {
            position++;
        }
    }

    private void ReadTag(TokenKind begin, TokenKind end, char mark)
    {
        _tokens.Add(new Token(begin, "", _line));
        var brackets = new Stack<char>();
        var scanner = new TagScanner(_source, _tokens, brackets);
        while (true)
        {
            int start = _position;
            SkipBlanks(ref _position);
            _line += CountLines(start, _position);
            if (_position >= _source.Length)
            {
                throw Error("a tag has no end");
            }

            int position = _position;
            if (brackets.Count == 0 && TryEnd(ref position, mark, allowPlus: mark == '%', out bool strip))
            {
                bool plus = _source[_position] == '+';
                _tokens.Add(new Token(end, "", _line));
                _position = position - 2;
                PassEnd(2, strip, trimNewline: mark == '%' && !plus);
                return;
            }

            int next = scanner.Read(_position, _line);
            _line += CountLines(_position, next);
            _position = next;
        }
    }

    private ChatTemplateException Error(string message) => new(ChatTemplateError.Syntax, _line, message);
}
