using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Filters that take a sequence apart.</summary>
internal static class SequenceFilters
{
    public static JinjaValue ToList(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("list", 0);
        return context.NewList([.. context.Iterate(value)]);
    }

    public static JinjaValue First(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("first", 0);
        JinjaValue? first = value is IteratorValue iterator ? iterator.Next() : context.Iterate(value) is [var head, ..] ? head : null;
        return first ?? new UndefinedValue("No first item, sequence was empty.");
    }

    public static JinjaValue Last(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("last", 0);
        return value is IteratorValue
            ? throw TemplateFault.Runtime($"'{value.TypeName}' object is not reversible")
            : context.Iterate(value) is [.., var tail] ? tail : new UndefinedValue("No last item, sequence was empty.");
    }

    public static JinjaValue Reverse(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("reverse", 0);
        if (value is StringValue text)
        {
            context.Budget.Steps(text.Value.Length);
            List<string> characters = PythonText.Characters(text.Value);
            characters.Reverse();
            return context.NewString(string.Concat(characters));
        }

        List<JinjaValue> items = [.. context.Iterate(value)];
        context.Budget.Steps(items.Count);
        items.Reverse();
        return value is IteratorValue ? new ListValue(items) : new IteratorValue("reversed", items);
    }

    public static JinjaValue Items(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("items", 0);
        return value switch
        {
            UndefinedValue => new IteratorValue("generator", []),
            DictValue dict => new IteratorValue("generator", dict.Pairs(context)),
            _ => throw TemplateFault.Runtime("Can only get item pairs from a mapping."),
        };
    }

    public static JinjaValue Batch(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("batch", 1, "linecount", "fill_with");
        int size = Numbers.ToInt(bound[0]!);
        IReadOnlyList<JinjaValue> items = context.Iterate(value);
        context.Budget.Steps(items.Count * 2L);
        var batches = new List<JinjaValue>();
        var current = new List<JinjaValue>();
        foreach (JinjaValue item in items)
        {
            if (current.Count == size)
            {
                batches.Add(new ListValue(current));
                current = [];
            }

            current.Add(item);
        }

        if (current.Count > 0)
        {
            int missing = bound[1] is null or NoneValue ? 0 : Math.Max(0, size - current.Count);
            context.Budget.Steps(missing);
            current.AddRange(Enumerable.Repeat(bound[1]!, missing));
            batches.Add(new ListValue(current));
        }

        return new IteratorValue("generator", batches);
    }

    public static JinjaValue Slice(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("slice", 1, "slices", "fill_with");
        int count = Numbers.ToInt(bound[0]!);
        IReadOnlyList<JinjaValue> items = context.Iterate(value);
        if (count == 0)
        {
            throw TemplateFault.Runtime("integer division or modulo by zero");
        }

        context.Budget.Steps(Math.Max(count, 0) + (long)items.Count);
        var slices = new List<JinjaValue>();
        int start = 0;
        for (int i = 0; i < count; i++)
        {
            bool longer = i < items.Count % count;
            int size = (items.Count / count) + (longer ? 1 : 0);
            List<JinjaValue> slice = [.. items.Skip(start).Take(size)];
            start += size;
            if (!longer && bound[1] is not (null or NoneValue))
            {
                slice.Add(bound[1]!);
            }

            slices.Add(new ListValue(slice));
        }

        return new IteratorValue("generator", slices);
    }

    public static JinjaValue Sum(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("sum", 0, "attribute", "start");
        Func<JinjaValue, JinjaValue> key = Sorting.Key(context, bound[0], caseSensitive: true);
        JinjaValue sum = bound[1] ?? IntValue.Of(0);
        if (sum is StringValue)
        {
            throw TemplateFault.Runtime("sum() can't sum strings [use ''.join(seq) instead]");
        }

        foreach (JinjaValue item in context.Iterate(value))
        {
            context.Budget.Steps(1);
            sum = Operators.Binary(context, "+", sum, key(item));
        }

        return sum;
    }
}
