using System.Runtime.CompilerServices;

namespace ServingGrid.Model.Templates.Syntax;

/// <summary>A cursor over the tokens, which also bounds how deep the parsers recurse.</summary>
internal sealed class TokenStream(IReadOnlyList<Token> tokens)
{
    private int _position;
    private int _depth;

    public Token Current => tokens[_position];

    public Token Following => tokens[Math.Min(_position + 1, tokens.Count - 1)];

    public int Line => Current.Line;

    public Token Take()
    {
        Token token = Current;
        if (token.Kind != TokenKind.End)
        {
            _position++;
        }

        return token;
    }

    public bool SkipName(string name) => SkipIf(Current.IsName(name));

    public bool SkipOperator(string text) => SkipIf(Current.IsOperator(text));

    public void ExpectOperator(string text)
    {
        if (!SkipOperator(text))
        {
            throw Error($"expected '{text}', found {Current}");
        }
    }

    public Token Expect(TokenKind kind)
    {
        if (Current.Kind != kind)
        {
            throw Error($"expected {(kind == TokenKind.Name ? "a name" : new Token(kind, "", 0).ToString())}, found {Current}");
        }

        return Take();
    }

    /// <summary>Begins one level of nesting; <see cref="Leave"/> ends it.</summary>
    public void Enter()
    {
        if (++_depth > TemplateLimits.SyntaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new ChatTemplateException(
                ChatTemplateError.Bound, Line, $"statements or brackets nested deeper than {TemplateLimits.SyntaxDepth}");
        }
    }

    public void Leave() => _depth--;

    public ChatTemplateException Error(string message) => Error(message, Line);

    public static ChatTemplateException Error(string message, int line) => new(ChatTemplateError.Syntax, line, message);

    private bool SkipIf(bool condition)
    {
        if (condition)
        {
            Take();
        }

        return condition;
    }
}
