using ServingGrid.Model.Templates.Nodes;

namespace ServingGrid.Model.Templates.Syntax;

/// <summary>Builds the statements of a template; what Jinja has and chat templates cannot use (inheritance, imports) is refused by name.</summary>
internal sealed class StatementParser
{
    private readonly TokenStream _tokens;
    private readonly ExpressionParser _expressions;

    // Loops around the statement inside the current macro: break and continue need one.
    private int _loops;

    private StatementParser(TokenStream tokens)
    {
        _tokens = tokens;
        _expressions = new ExpressionParser(tokens);
    }

    /// <exception cref="ChatTemplateException">A syntax error, or nesting beyond the bound.</exception>
    public static Block Parse(IReadOnlyList<Token> tokens)
    {
        var parser = new StatementParser(new TokenStream(tokens));
        return parser.ParseBody("the end of the template", []);
    }

    /// <summary>
    /// Statements up to a block tag that begins with one of <paramref name="ends"/>, whose name is left as the current token.
    /// </summary>
    private Block ParseBody(string opener, ReadOnlySpan<string> ends)
    {
        _tokens.Enter();
        var statements = new List<Statement>();
        while (true)
        {
            Token token = _tokens.Current;
            switch (token.Kind)
            {
                case TokenKind.Data:
                    _tokens.Take();
                    statements.Add(new TextStatement(token.Text, token.Line));
                    break;
                case TokenKind.VariableBegin:
                    _tokens.Take();
                    statements.Add(new OutputStatement(_expressions.ParseTuple(), token.Line));
                    _tokens.Expect(TokenKind.VariableEnd);
                    break;
                case TokenKind.BlockBegin:
                    _tokens.Take();
                    if (_tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Text))
                    {
                        _tokens.Leave();
                        return new Block(statements);
                    }

                    statements.Add(ParseStatement());
                    _tokens.Expect(TokenKind.BlockEnd);
                    break;
                case TokenKind.End when ends.Length == 0:
                    _tokens.Leave();
                    return new Block(statements);
                default:
                    throw _tokens.Error($"'{opener}' is not closed: expected '{string.Join("' or '", ends)}', found {token}");
            }
        }
    }

    /// <summary>The body of a block tag whose head has been read, and its end tag.</summary>
    private Block ParseClosed(string opener, string end)
    {
        BeginBody();
        Block body = ParseBody(opener, [end]);
        _tokens.Take();
        return body;
    }

    /// <summary>A body whose text becomes a value: a break or continue inside would leave that half done, so it is refused.</summary>
    private Block ParseCaptured(string opener, string end)
    {
        int loops = _loops;
        _loops = 0;
        Block body = ParseClosed(opener, end);
        _loops = loops;
        return body;
    }

    private void BeginBody()
    {
        _tokens.SkipOperator(":");
        _tokens.Expect(TokenKind.BlockEnd);
    }

    private Statement ParseStatement()
    {
        Token tag = _tokens.Expect(TokenKind.Name);
        switch (tag.Text)
        {
            case "if": return ParseIf(tag.Line);
            case "for": return ParseFor(tag.Line);
            case "set": return ParseSet(tag.Line);
            case "macro": return ParseMacro(tag.Line);
            case "call": return ParseCall(tag.Line);
            case "with": return ParseWith(tag.Line);
            case "do": return new DoStatement(_expressions.ParseTuple(), tag.Line);
            case "filter":
                List<FilterStep> filters = ParseFilters(first: true);
                return new FilterBlockStatement(filters, ParseCaptured("filter", "endfilter"), tag.Line);
            case "generation": // marks the assistant's text for training; renders its body
                return new WithStatement([], ParseClosed("generation", "endgeneration"), tag.Line);
            case "break" or "continue":
                return _loops > 0
                    ? new JumpStatement(tag.Text == "break" ? Signal.Break : Signal.Continue, tag.Line)
                    : throw TokenStream.Error($"'{tag.Text}' outside a loop", tag.Line);
            case "include" or "extends" or "import" or "from" or "block" or "autoescape" or "trans" or "print" or "debug":
                throw TokenStream.Error($"the statement '{tag.Text}' is not supported in chat templates", tag.Line);
            default:
                throw TokenStream.Error($"unknown or misplaced statement '{tag.Text}'", tag.Line);
        }
    }

    private IfStatement ParseIf(int line)
    {
        var branches = new List<(Expression, Block)>();
        string tag = "if";
        while (tag != "else" && tag != "endif")
        {
            Expression condition = _expressions.ParseTuple(withCondition: false);
            BeginBody();
            branches.Add((condition, ParseBody(tag, ["elif", "else", "endif"])));
            tag = _tokens.Take().Text;
        }

        return new IfStatement(branches, tag == "else" ? ParseClosed("else", "endif") : null, line);
    }

    private ForStatement ParseFor(int line)
    {
        Target target = ParseTarget(allowField: false, endName: "in");
        if (!_tokens.SkipName("in"))
        {
            throw _tokens.Error($"expected 'in', found {_tokens.Current}");
        }

        Expression items = _expressions.ParseTuple(withCondition: false, endName: "recursive");
        Expression? condition = _tokens.SkipName("if") ? _expressions.ParseExpression() : null;
        bool recursive = _tokens.SkipName("recursive");
        BeginBody();
        _loops++;
        Block body = ParseBody("for", ["endfor", "else"]);
        _loops--;
        Block? otherwise = _tokens.Take().Text == "else" ? ParseClosed("else", "endfor") : null;
        return new ForStatement(target, items, condition, recursive, body, otherwise, line);
    }

    private Statement ParseSet(int line)
    {
        Target target = ParseTarget(allowField: true, endName: null);
        if (_tokens.SkipOperator("="))
        {
            return new SetStatement(target, _expressions.ParseTuple(), line);
        }

        List<FilterStep> filters = ParseFilters(first: false);
        return new SetBlockStatement(target, filters, ParseCaptured("set", "endset"), line);
    }

    private WithStatement ParseWith(int line)
    {
        var variables = new List<(Target, Expression)>();
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            Target target = ParseSingleTarget(allowField: false);
            _tokens.ExpectOperator("=");
            variables.Add((target, _expressions.ParseExpression()));
            if (!_tokens.SkipOperator(","))
            {
                break;
            }
        }

        return new WithStatement(variables, ParseClosed("with", "endwith"), line);
    }

    private MacroStatement ParseMacro(int line)
    {
        string name = _tokens.Expect(TokenKind.Name).Text;
        return new MacroStatement(ParseDefinition(name, "macro", "endmacro", () => ParseSignature()), line);
    }

    private CallBlockStatement ParseCall(int line)
    {
        Call? call = null;
        MacroDefinition caller = ParseDefinition("caller", "call", "endcall", () =>
        {
            List<(string, Expression?)> parameters = _tokens.Current.IsOperator("(") ? ParseSignature() : [];
            call = _expressions.ParseExpression() as Call ?? throw TokenStream.Error("a call block needs a call", line);
            return parameters;
        });
        return new CallBlockStatement(call!, caller, line);
    }

    private MacroDefinition ParseDefinition(string name, string opener, string end, Func<List<(string, Expression?)>> parseHead)
    {
        var uses = new MacroUses();
        _expressions.Macros.Push(uses);
        List<(string, Expression?)> parameters = parseHead();
        Block body = ParseCaptured(opener, end);
        _expressions.Macros.Pop();
        return new MacroDefinition(name, parameters, body, uses.VarArgs, uses.KwArgs, uses.Caller);
    }

    private List<(string, Expression?)> ParseSignature()
    {
        var parameters = new List<(string Name, Expression? Default)>();
        _tokens.ExpectOperator("(");
        while (!_tokens.Current.IsOperator(")"))
        {
            string name = _tokens.Expect(TokenKind.Name).Text;
            Expression? fallback = _tokens.SkipOperator("=") ? _expressions.ParseExpression() : null;
            if (fallback is null && parameters.Count > 0 && parameters[^1].Default is not null)
            {
                throw _tokens.Error($"the parameter '{name}' without a default follows one that has a default");
            }

            parameters.Add((name, fallback));
            if (!_tokens.SkipOperator(","))
            {
                break;
            }
        }

        _tokens.ExpectOperator(")");
        return parameters;
    }

    private List<FilterStep> ParseFilters(bool first)
    {
        var filters = new List<FilterStep>();
        if (first)
        {
            filters.Add(_expressions.ParseFilterStep());
        }

        while (_tokens.SkipOperator("|"))
        {
            filters.Add(_expressions.ParseFilterStep());
        }

        return filters;
    }

    private Target ParseTarget(bool allowField, string? endName)
    {
        Target first = ParseSingleTarget(allowField);
        if (!_tokens.Current.IsOperator(","))
        {
            return first;
        }

        var parts = new List<Target> { first };
        while (_tokens.SkipOperator(",") && !_tokens.Current.IsOperator("=") && !(endName is not null && _tokens.Current.IsName(endName)))
        {
            parts.Add(ParseSingleTarget(allowField));
        }

        return new TupleTarget(parts);
    }

    private Target ParseSingleTarget(bool allowField)
    {
        if (_tokens.SkipOperator("("))
        {
            _tokens.Enter();
            Target inner = ParseTarget(allowField, null);
            _tokens.Leave();
            _tokens.ExpectOperator(")");
            return inner;
        }

        Token name = _tokens.Expect(TokenKind.Name);
        if (name.Text is "true" or "false" or "none" or "True" or "False" or "None")
        {
            throw TokenStream.Error($"cannot assign to '{name.Text}'", name.Line);
        }

        return allowField && _tokens.SkipOperator(".")
            ? new NamespaceTarget(name.Text, _tokens.Expect(TokenKind.Name).Text)
            : new NameTarget(name.Text);
    }
}
