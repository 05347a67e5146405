using System.Text;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Nodes;

internal sealed class UnaryOperation(string symbol, Expression operand) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context) => Operators.Unary(symbol, operand.Evaluate(context));
}

internal sealed class BinaryOperation(string symbol, Expression left, Expression right) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        JinjaValue a = left.Evaluate(context);
        return Operators.Binary(context, symbol, a, right.Evaluate(context));
    }
}

internal sealed class Negation(Expression operand) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context) => BoolValue.Of(!operand.Evaluate(context).IsTrue);
}

/// <summary><c>and</c>, <c>or</c>: the value of the operand that decides, as in Python.</summary>
internal sealed class Connective(bool isAnd, Expression left, Expression right) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        JinjaValue first = left.Evaluate(context);
        return first.IsTrue == isAnd ? right.Evaluate(context) : first;
    }
}

/// <summary>A chain such as <c>a &lt; b &lt;= c</c>: every operand is evaluated once, and no further than the first false.</summary>
internal sealed class Comparisons(Expression first, IReadOnlyList<(string Symbol, Expression Operand)> rest) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        JinjaValue left = first.Evaluate(context);
        foreach ((string symbol, Expression operand) in rest)
        {
            JinjaValue right = operand.Evaluate(context);
            if (!Holds(context, symbol, left, right))
            {
                return BoolValue.False;
            }

            left = right;
        }

        return BoolValue.True;
    }

    public static bool Holds(RenderContext context, string symbol, JinjaValue left, JinjaValue right) => symbol switch
    {
        "==" => Comparison.AreEqual(context, left, right),
        "!=" => !Comparison.AreEqual(context, left, right),
        "<" => Comparison.Order(context, left, right, symbol) < 0,
        "<=" => Comparison.Order(context, left, right, symbol) <= 0,
        ">" => Comparison.Order(context, left, right, symbol) > 0,
        ">=" => Comparison.Order(context, left, right, symbol) >= 0,
        "in" => Comparison.Contains(context, right, left),
        _ => !Comparison.Contains(context, right, left),
    };
}

/// <summary><c>a ~ b ~ c</c>: the texts of the operands, joined.</summary>
internal sealed class Concatenation(IReadOnlyList<Expression> operands) : Expression
{
    protected override JinjaValue EvaluateCore(RenderContext context)
    {
        var text = new StringBuilder();
        foreach (Expression operand in operands)
        {
            string part = context.Text(operand.Evaluate(context));
            context.Budget.Characters(part.Length);
            text.Append(part);
        }

        return new StringValue(text.ToString());
    }
}

/// <summary><c>a if condition else b</c>; without <c>else</c> undefined.</summary>
internal sealed class Conditional(Expression condition, Expression then, Expression? otherwise) : Expression
{
    private static readonly UndefinedValue Missing =
        new("the inline if-expression evaluated to false and no else section was defined");

    protected override JinjaValue EvaluateCore(RenderContext context) =>
        condition.Evaluate(context).IsTrue ? then.Evaluate(context) : otherwise?.Evaluate(context) ?? Missing;
}
