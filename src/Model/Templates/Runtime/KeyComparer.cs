using System.Numerics;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>Equality and hash of dictionary keys, as Python has it: by value, and numbers equal across their types.</summary>
internal sealed class KeyComparer(RenderContext context) : IEqualityComparer<JinjaValue>
{
    private const int TupleDepth = 16;

    /// <summary>Whether a value can be a key; lists and dictionaries, which may change, cannot.</summary>
    public bool IsHashable(JinjaValue value, int depth = 0)
    {
        context.Budget.Steps(1);
        switch (value)
        {
            case ListValue or DictValue or GroupValue:
                return false;
            case TupleValue tuple:
                foreach (JinjaValue item in tuple.Items)
                {
                    if (depth == TupleDepth || !IsHashable(item, depth + 1))
                    {
                        return false;
                    }
                }

                return true;
            default:
                return true;
        }
    }

    /// <summary><paramref name="key"/>, or the error that it cannot be one.</summary>
    public JinjaValue Hashable(JinjaValue key) =>
        IsHashable(key) ? key : throw TemplateFault.Runtime($"unhashable type: '{key.TypeName}'");

    public bool Equals(JinjaValue? x, JinjaValue? y) => x is not null && y is not null && Comparison.AreEqual(context, x, y);

    public int GetHashCode(JinjaValue value)
    {
        context.Budget.Steps(1);
        switch (value)
        {
            case StringValue text:
                context.Budget.Characters(text.Value.Length);
                return text.Value.GetHashCode();
            case BoolValue flag: return new BigInteger(flag.Value ? 1 : 0).GetHashCode();
            case IntValue number: return number.Value.GetHashCode();
            case FloatValue number when double.IsInteger(number.Value): return new BigInteger(number.Value).GetHashCode();
            case FloatValue number: return number.Value.GetHashCode();
            case TupleValue tuple:
                var hash = new HashCode();
                foreach (JinjaValue item in tuple.Items)
                {
                    hash.Add(GetHashCode(item));
                }

                return hash.ToHashCode();
            case UndefinedValue: return 1;
            default: return System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(value);
        }
    }
}
