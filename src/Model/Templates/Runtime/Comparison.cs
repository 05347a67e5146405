using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>Python's <c>==</c>, <c>&lt;</c> and <c>in</c>.</summary>
internal static class Comparison
{
    public static bool AreEqual(RenderContext context, JinjaValue left, JinjaValue right, int depth = 0)
    {
        context.Budget.Steps(1);
        if (Numbers.IsNumber(left) && Numbers.IsNumber(right))
        {
            return Numbers.Compare(left, right) == 0;
        }

        if (ReferenceEquals(left, right))
        {
            return true;
        }

        switch (left, right)
        {
            case (StringValue a, StringValue b):
                if (a.Value.Length != b.Value.Length)
                {
                    return false;
                }

                context.Budget.Characters(a.Value.Length);
                return a.Value == b.Value;
            case (ListValue a, ListValue b): return SequencesEqual(context, a.Items, b.Items, depth);
            case (TupleValue or GroupValue, TupleValue or GroupValue):
                return SequencesEqual(context, ((SequenceValue)left).Items, ((SequenceValue)right).Items, depth);
            case (RangeValue a, RangeValue b): return SequencesEqual(context, a.Items, b.Items, depth);
            case (DictValue a, DictValue b): return DictsEqual(context, a, b, depth);
            case (UndefinedValue, UndefinedValue): return true;
            default: return false;
        }
    }

    /// <summary>Negative, zero or positive; for sorting and for the order operators.</summary>
    /// <exception cref="TemplateFault">The values have no order.</exception>
    public static int Order(RenderContext context, JinjaValue left, JinjaValue right, string symbol = "<", int depth = 0)
    {
        context.Budget.Steps(1);
        switch (left, right)
        {
            case (StringValue a, StringValue b):
                context.Budget.Characters(Math.Min(a.Value.Length, b.Value.Length));
                return PythonText.Compare(a.Value, b.Value);
            case (ListValue, ListValue) or (TupleValue or GroupValue, TupleValue or GroupValue):
                return OrderSequences(context, ((SequenceValue)left).Items, ((SequenceValue)right).Items, symbol, Deeper(depth));
            case (UndefinedValue, _) or (_, UndefinedValue):
                throw ((left as UndefinedValue) ?? (UndefinedValue)right).Used();
            default:
                return Numbers.IsNumber(left) && Numbers.IsNumber(right)
                    ? Numbers.Compare(left, right) ?? 0
                    : throw TemplateFault.Runtime($"'{symbol}' not supported between instances of '{left.TypeName}' and '{right.TypeName}'");
        }
    }

    /// <summary>Python's <c>item in container</c>.</summary>
    public static bool Contains(RenderContext context, JinjaValue container, JinjaValue item)
    {
        switch (container)
        {
            case StringValue text:
                if (item is not StringValue part)
                {
                    throw TemplateFault.Runtime($"'in <string>' requires string as left operand, not {item.TypeName}");
                }

                if (part.Value.Length > text.Value.Length)
                {
                    return false;
                }

                context.Budget.Characters(text.Value.Length);
                return new TextSearch(part.Value).IndexOf(text.Value, 0) >= 0;
            case DictValue dict:
                return dict.Entries.ContainsKey(context.Keys.Hashable(item));
            default:
                IReadOnlyList<JinjaValue> items = container.Iterate(context)
                    ?? throw TemplateFault.Runtime($"argument of type '{container.TypeName}' is not iterable");
                foreach (JinjaValue element in items)
                {
                    if (AreEqual(context, element, item))
                    {
                        return true;
                    }
                }

                return false;
        }
    }

    private static bool SequencesEqual(RenderContext context, IReadOnlyList<JinjaValue> left, IReadOnlyList<JinjaValue> right, int depth)
    {
        if (left.Count != right.Count)
        {
            return false;
        }

        int deeper = Deeper(depth);
        for (int i = 0; i < left.Count; i++)
        {
            if (!AreEqual(context, left[i], right[i], deeper))
            {
                return false;
            }
        }

        return true;
    }

    private static bool DictsEqual(RenderContext context, DictValue left, DictValue right, int depth)
    {
        if (left.Entries.Count != right.Entries.Count)
        {
            return false;
        }

        int deeper = Deeper(depth);
        foreach ((JinjaValue key, JinjaValue value) in left.Entries)
        {
            if (!right.Entries.TryGetValue(key, out JinjaValue? other) || !AreEqual(context, value, other, deeper))
            {
                return false;
            }
        }

        return true;
    }

    private static int OrderSequences(
        RenderContext context, IReadOnlyList<JinjaValue> left, IReadOnlyList<JinjaValue> right, string symbol, int depth)
    {
        for (int i = 0; i < left.Count && i < right.Count; i++)
        {
            if (!AreEqual(context, left[i], right[i], depth))
            {
                return Order(context, left[i], right[i], symbol, depth);
            }
        }

        return left.Count.CompareTo(right.Count);
    }

    private static int Deeper(int depth) => depth < TemplateLimits.ValueDepth
        ? depth + 1
        : throw TemplateFault.Bound($"values nested deeper than {TemplateLimits.ValueDepth} are compared");
}
