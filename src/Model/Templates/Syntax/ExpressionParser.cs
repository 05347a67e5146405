using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Nodes;

namespace ServingGrid.Model.Templates.Syntax;

/// <summary>
/// Recursive descent over Jinja's expressions; one method per level of precedence, from <c>if</c> (loosest) to signs. Operands are in
/// the other part.
/// Note that <c>~</c> binds tighter than <c>+</c>, and <c>**</c> groups to the left, as in jinja2.
/// </summary>
internal sealed partial class ExpressionParser(TokenStream tokens)
{
    private readonly Stack<MacroUses> _macros = new();

    /// <summary>The macros whose bodies are being parsed.</summary>
    public Stack<MacroUses> Macros => _macros;

    public Expression ParseExpression(bool withCondition = true)
    {
        tokens.Enter();
        Expression expression = withCondition ? ParseConditional() : ParseOr();
        tokens.Leave();
        return expression;
    }

    /// <summary>An expression, or a tuple where commas follow.</summary>
    public Expression ParseTuple(bool withCondition = true, bool inParentheses = false, string? endName = null)
    {
        var items = new List<Expression>();
        bool isTuple = false;
        while (!AtTupleEnd(endName))
        {
            items.Add(ParseExpression(withCondition));
            if (!tokens.SkipOperator(","))
            {
                break;
            }

            isTuple = true;
        }

        return isTuple || (items.Count == 0 && inParentheses)
            ? new TupleLiteral(items)
            : items.Count == 1 ? items[0] : throw tokens.Error($"expected an expression, found {tokens.Current}");
    }

    /// <summary><c>name(arguments)</c> after a pipe.</summary>
    public FilterStep ParseFilterStep()
    {
        Token token = tokens.Expect(TokenKind.Name);
        FilterFunction filter = FilterTable.Find(token.Text)
            ?? throw TokenStream.Error($"there is no filter '{token.Text}'", token.Line);
        return new FilterStep(filter, tokens.Current.IsOperator("(") ? ParseArguments() : ArgumentList.Empty, token.Line);
    }

    private bool AtTupleEnd(string? endName) => tokens.Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd or TokenKind.End
        || tokens.Current.IsOperator(")") || (endName is not null && tokens.Current.IsName(endName));

    private Expression ParseConditional()
    {
        Expression value = ParseOr();
        while (tokens.SkipName("if"))
        {
            Expression condition = ParseOr();
            value = new Conditional(condition, value, tokens.SkipName("else") ? ParseExpression() : null);
        }

        return value;
    }

    private Expression ParseOr()
    {
        Expression left = ParseAnd();
        while (tokens.SkipName("or"))
        {
            left = new Connective(isAnd: false, left, ParseAnd());
        }

        return left;
    }

    private Expression ParseAnd()
    {
        Expression left = ParseNot();
        while (tokens.SkipName("and"))
        {
            left = new Connective(isAnd: true, left, ParseNot());
        }

        return left;
    }

    private Expression ParseNot()
    {
        if (!tokens.SkipName("not"))
        {
            return ParseComparison();
        }

        tokens.Enter();
        var negation = new Negation(ParseNot());
        tokens.Leave();
        return negation;
    }

    private Expression ParseComparison()
    {
        Expression first = ParseSum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            Token token = tokens.Current;
            if (token.Kind == TokenKind.Operator && token.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
            {
                tokens.Take();
                rest.Add((token.Text, ParseSum()));
            }
            else if (tokens.SkipName("in"))
            {
                rest.Add(("in", ParseSum()));
            }
            else if (token.IsName("not") && tokens.Following.IsName("in"))
            {
                tokens.Take();
                tokens.Take();
                rest.Add(("not in", ParseSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new Comparisons(first, rest);
            }
        }
    }

    private Expression ParseSum()
    {
        Expression left = ParseConcatenation();
        while (tokens.Current is { Kind: TokenKind.Operator, Text: "+" or "-" })
        {
            string symbol = tokens.Take().Text;
            left = new BinaryOperation(symbol, left, ParseConcatenation());
        }

        return left;
    }

    private Expression ParseConcatenation()
    {
        Expression first = ParseProduct();
        if (!tokens.Current.IsOperator("~"))
        {
            return first;
        }

        var operands = new List<Expression> { first };
        while (tokens.SkipOperator("~"))
        {
            operands.Add(ParseProduct());
        }

        return new Concatenation(operands);
    }

    private Expression ParseProduct()
    {
        Expression left = ParsePower();
        while (tokens.Current is { Kind: TokenKind.Operator, Text: "*" or "/" or "//" or "%" })
        {
            string symbol = tokens.Take().Text;
            left = new BinaryOperation(symbol, left, ParsePower());
        }

        return left;
    }

    private Expression ParsePower()
    {
        Expression left = ParseUnary(withFilters: true);
        while (tokens.SkipOperator("**"))
        {
            left = new BinaryOperation("**", left, ParseUnary(withFilters: true));
        }

        return left;
    }

    private Expression ParseUnary(bool withFilters)
    {
        Expression operand;
        if (tokens.Current is { Kind: TokenKind.Operator, Text: "-" or "+" })
        {
            string symbol = tokens.Take().Text;
            tokens.Enter();
            operand = new UnaryOperation(symbol, ParseUnary(withFilters: false));
            tokens.Leave();
        }
        else
        {
            operand = ParsePrimary();
        }

        operand = ParsePostfix(operand);
        return withFilters ? ParseFiltersAndTests(operand) : operand;
    }
}
