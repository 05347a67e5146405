namespace ServingGrid.Model.Templates.Syntax;

/// <summary>Reads the names, literals and operators between a tag's edges.</summary>
internal sealed class TagScanner(string source, List<Token> tokens, Stack<char> brackets)
{
    private const string Operators = "+-/*%~[](){}=<>.:|,;!";

    /// <summary>Adds the token at <paramref name="position"/> (no blank) and returns the position after it.</summary>
    public int Read(int position, int line)
    {
        char c = source[position];
        if (char.IsAsciiDigit(c))
        {
            return ReadNumber(position, line);
        }

        if (IsWord(c))
        {
            int end = position;
            while (end < source.Length && IsWord(source[end]))
            {
                end++;
            }

            tokens.Add(new Token(TokenKind.Name, source[position..end], line));
            return end;
        }

        return c is '\'' or '"' ? ReadString(position, line) : ReadOperator(position, line);
    }

    private static bool IsWord(char c) => c == '_' || char.IsLetterOrDigit(c);

    private int ReadNumber(int start, int line)
    {
        if (source[start] == '0' && start + 1 < source.Length && "xXoObB".Contains(source[start + 1]))
        {
            int end = start + 2;
            while (end < source.Length && (char.IsAsciiHexDigit(source[end]) || source[end] == '_'))
            {
                end++;
            }

            return AddNumber(TokenKind.Integer, start, end, line);
        }

        int position = Digits(start);
        bool isFloat = false;

        // "a.0.1" is two item accesses, not the item 0.1.
        bool afterDot = source[start - 1] == '.';
        if (!afterDot && position + 1 < source.Length && source[position] == '.' && char.IsAsciiDigit(source[position + 1]))
        {
            position = Digits(position + 1);
            isFloat = true;
        }

        if (!afterDot && position < source.Length && source[position] is 'e' or 'E')
        {
            int exponent = position + 1;
            if (exponent < source.Length && source[exponent] is '+' or '-')
            {
                exponent++;
            }

            if (exponent < source.Length && char.IsAsciiDigit(source[exponent]))
            {
                position = Digits(exponent);
                isFloat = true;
            }
        }

        return AddNumber(isFloat ? TokenKind.Float : TokenKind.Integer, start, position, line);
    }

    private int Digits(int position)
    {
        while (position < source.Length
            && (char.IsAsciiDigit(source[position])
                || (source[position] == '_' && position + 1 < source.Length && char.IsAsciiDigit(source[position + 1]))))
        {
            position++;
        }

        return position;
    }

    private int AddNumber(TokenKind kind, int start, int end, int line)
    {
        tokens.Add(new Token(kind, source[start..end].Replace("_", ""), line));
        return end;
    }

    private int ReadString(int start, int line)
    {
        char quote = source[start];
        for (int i = start + 1; i < source.Length; i++)
        {
            if (source[i] == '\\')
            {
                i++;
            }
            else if (source[i] == quote)
            {
                string text = StringLiteral.Unescape(source.AsSpan(start + 1, i - start - 1))
                    ?? throw Error(line, "a string holds a malformed escape");
                tokens.Add(new Token(TokenKind.String, text, line));
                return i + 1;
            }
        }

        throw Error(line, "a string has no end");
    }

    private int ReadOperator(int start, int line)
    {
        char c = source[start];
        char next = start + 1 < source.Length ? source[start + 1] : ' ';
        bool twice = (c, next) is ('/', '/') or ('*', '*') or ('=', '=') or ('!', '=') or ('<', '=') or ('>', '=');
        if (!Operators.Contains(c) || (c == '!' && !twice))
        {
            throw Error(line, $"unexpected character '{c}'");
        }

        switch (c)
        {
            case '(': brackets.Push(')'); break;
            case '[': brackets.Push(']'); break;
            case '{': brackets.Push('}'); break;
            case ')' or ']' or '}':
                if (!brackets.TryPop(out char expected))
                {
                    throw Error(line, $"unexpected '{c}'");
                }

                if (expected != c)
                {
                    throw Error(line, $"unexpected '{c}', expected '{expected}'");
                }

                break;
        }

        int end = start + (twice ? 2 : 1);
        tokens.Add(new Token(TokenKind.Operator, source[start..end], line));
        return end;
    }

    private static ChatTemplateException Error(int line, string message) => new(ChatTemplateError.Syntax, line, message);
}
