using System.Globalization;
using System.Numerics;
using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Nodes;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Syntax;

/// <summary>Operands: literals, names, and what follows them (members, subscripts, calls, filters, tests).</summary>
internal sealed partial class ExpressionParser
{
    private Expression ParsePrimary()
    {
        Token token = tokens.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                tokens.Take();
                return ParseName(token.Text);
            case TokenKind.String:
                tokens.Take();
                string text = token.Text;
                if (tokens.Current.Kind == TokenKind.String)
                {
                    var parts = new List<string> { text };
                    while (tokens.Current.Kind == TokenKind.String)
                    {
                        parts.Add(tokens.Take().Text);
                    }

                    text = string.Concat(parts);
                }

                return new Literal(new StringValue(text));
            case TokenKind.Integer or TokenKind.Float:
                tokens.Take();
                return new Literal(ParseNumber(token));
            case TokenKind.Operator when token.Text == "(":
                tokens.Take();
                Expression tuple = ParseTuple(inParentheses: true);
                tokens.ExpectOperator(")");
                return tuple;
            case TokenKind.Operator when token.Text == "[":
                tokens.Take();
                return new ListLiteral(ParseItems("]", () => ParseExpression()));
            case TokenKind.Operator when token.Text == "{":
                tokens.Take();
                return new DictLiteral(ParseItems("}", ParsePair));
            default:
                throw tokens.Error($"unexpected {token}");
        }
    }

    private Expression ParseName(string name)
    {
        switch (name)
        {
            case "true" or "True": return new Literal(BoolValue.True);
            case "false" or "False": return new Literal(BoolValue.False);
            case "none" or "None": return new Literal(NoneValue.Instance);
        }

        foreach (MacroUses uses in _macros)
        {
            uses.Note(name);
        }

        return new Name(name);
    }

    private static JinjaValue ParseNumber(Token token)
    {
        if (token.Kind == TokenKind.Float)
        {
            return new FloatValue(double.Parse(token.Text, CultureInfo.InvariantCulture));
        }

        BigInteger value = Numbers.ParseInteger(token.Text, 0)
            ?? throw TokenStream.Error($"malformed number {token}", token.Line);
        return value.GetBitLength() > TemplateLimits.IntegerBits
            ? throw new ChatTemplateException(ChatTemplateError.Bound, token.Line, $"an integer of more than {TemplateLimits.IntegerBits} bits")
            : IntValue.Of(value);
    }

    private (Expression, Expression) ParsePair()
    {
        Expression key = ParseExpression();
        tokens.ExpectOperator(":");
        return (key, ParseExpression());
    }

    private List<T> ParseItems<T>(string close, Func<T> parse)
    {
        var items = new List<T>();
        while (!tokens.Current.IsOperator(close))
        {
            items.Add(parse());
            if (!tokens.SkipOperator(","))
            {
                break;
            }
        }

        tokens.ExpectOperator(close);
        return items;
    }

    private Expression ParsePostfix(Expression target)
    {
        while (tokens.Current.Kind == TokenKind.Operator)
        {
            int line = tokens.Line;
            if (tokens.SkipOperator("."))
            {
                Token member = tokens.Take();
                target = member.Kind switch
                {
                    TokenKind.Name => new AttributeAccess(target, member.Text),
                    TokenKind.Integer => new ElementAccess(target, new Literal(ParseNumber(member))),
                    _ => throw TokenStream.Error($"expected a name or number after '.', found {member}", member.Line),
                };
            }
            else if (tokens.SkipOperator("["))
            {
                target = ParseSubscript(target);
            }
            else if (tokens.Current.IsOperator("("))
            {
                target = new Call(target, ParseArguments(), line);
            }
            else
            {
                break;
            }
        }

        return target;
    }

    private Expression ParseSubscript(Expression target)
    {
        if (tokens.SkipOperator("]"))
        {
            return new ElementAccess(target, new TupleLiteral([]));
        }

        Expression? start = tokens.Current.IsOperator(":") ? null : ParseExpression();
        if (start is not null && !tokens.Current.IsOperator(":"))
        {
            // Several keys are one, a tuple. (Slices among them, which nothing in a template can be asked for, are refused.)
            List<Expression> keys = [start];
            while (tokens.SkipOperator(","))
            {
                keys.Add(ParseExpression());
            }

            tokens.ExpectOperator("]");
            return new ElementAccess(target, keys.Count == 1 ? start : new TupleLiteral(keys));
        }

        tokens.ExpectOperator(":");
        Expression? stop = ParseSlicePart();
        Expression? step = tokens.SkipOperator(":") ? ParseSlicePart() : null;
        tokens.ExpectOperator("]");
        return new SliceAccess(target, start, stop, step);
    }

    private Expression? ParseSlicePart() =>
        tokens.Current.IsOperator(":") || tokens.Current.IsOperator("]") ? null : ParseExpression();

    private ArgumentList ParseArguments()
    {
        int line = tokens.Line;
        tokens.ExpectOperator("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? star = null, doubleStar = null;
        while (!tokens.Current.IsOperator(")"))
        {
            if (tokens.SkipOperator("*"))
            {
                Ensure(star is null && doubleStar is null);
                star = ParseExpression();
            }
            else if (tokens.SkipOperator("**"))
            {
                Ensure(doubleStar is null);
                doubleStar = ParseExpression();
            }
            else if (tokens.Current.Kind == TokenKind.Name && tokens.Following.IsOperator("="))
            {
                Ensure(doubleStar is null);
                string name = tokens.Take().Text;
                tokens.Take();
                named.Add((name, ParseExpression()));
            }
            else
            {
                Ensure(star is null && doubleStar is null && named.Count == 0);
                positional.Add(ParseExpression());
            }

            if (!tokens.SkipOperator(","))
            {
                break;
            }
        }

        tokens.ExpectOperator(")");
        return new ArgumentList(positional, named, star, doubleStar);

        void Ensure(bool condition)
        {
            if (!condition)
            {
                throw TokenStream.Error("the arguments of a call are out of order", line);
            }
        }
    }

    private Expression ParseFiltersAndTests(Expression operand)
    {
        while (true)
        {
            int line = tokens.Line;
            if (tokens.SkipOperator("|"))
            {
                operand = new FilterCall(operand, ParseFilterStep());
            }
            else if (tokens.SkipName("is"))
            {
                operand = ParseTest(operand);
            }
            else if (tokens.Current.IsOperator("("))
            {
                operand = new Call(operand, ParseArguments(), line);
            }
            else
            {
                return operand;
            }
        }
    }

    private Expression ParseTest(Expression operand)
    {
        bool negated = tokens.SkipName("not");
        Token name = tokens.Expect(TokenKind.Name);
        TestFunction test = TestTable.Find(name.Text) ?? throw TokenStream.Error($"there is no test '{name.Text}'", name.Line);
        ArgumentList arguments = ArgumentList.Empty;
        Token next = tokens.Current;
        if (next.IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (next.IsName("is"))
        {
            throw tokens.Error("tests cannot be chained with 'is'");
        }
        else if (next.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float
            || next is { Kind: TokenKind.Operator, Text: "[" or "{" }
            || (next.Kind == TokenKind.Name && next.Text is not ("else" or "or" or "and")))
        {
            tokens.Enter();
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], [], null, null);
            tokens.Leave();
        }

        Expression result = new TestCall(operand, test, arguments);
        return negated ? new Negation(result) : result;
    }
}
