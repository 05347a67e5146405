using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>
/// <c>value.name</c> and <c>value[key]</c> as Jinja defines them: the one looks for an attribute first and an element second, the
/// other the other way round, and what is not found is undefined.
/// </summary>
internal static class Access
{
    public static JinjaValue Attribute(RenderContext context, JinjaValue value, string name) =>
        value.Attribute(name) ?? value.Element(context, new StringValue(name)) ?? NoAttribute(value, name);

    public static JinjaValue Element(RenderContext context, JinjaValue value, JinjaValue key) =>
        value.Element(context, key)
        ?? (key is StringValue name ? value.Attribute(name.Value) ?? NoAttribute(value, name.Value) : NoElement(context, value, key));

    /// <summary>Follows a dotted path such as "function.name" or "0.role" (what filters take as <c>attribute</c>).</summary>
    public static JinjaValue Path(RenderContext context, JinjaValue value, JinjaValue path)
    {
        if (path is not StringValue text)
        {
            return Element(context, value, path);
        }

        context.Budget.Characters(text.Value.Length);
        context.Budget.Steps(text.Value.AsSpan().Count('.') + 1);
        foreach (string part in text.Value.Split('.'))
        {
            value = part.Length > 0 && part.All(char.IsAsciiDigit) && Numbers.ParseInteger(part, 10) is { } index
                ? Element(context, value, IntValue.Of(index))
                : Element(context, value, new StringValue(part));
        }

        return value;
    }

    /// <summary>Python's <c>value[start:stop:step]</c>.</summary>
    public static JinjaValue Slice(RenderContext context, JinjaValue value, JinjaValue start, JinjaValue stop, JinjaValue step)
    {
        int stride = step is NoneValue ? 1 : Bound(step);
        if (stride == 0)
        {
            throw TemplateFault.Runtime("slice step cannot be zero");
        }

        switch (value)
        {
            case UndefinedValue undefined:
                throw undefined.Used();
            case StringValue { Value: var whole } text when stride == 1:
                (int from, int to) = Range(text.Length(context)!.Value, start, stop, 1);
                return context.NewString(to > from ? whole[PythonText.ToUtf16Index(whole, from)..PythonText.ToUtf16Index(whole, to)] : "");
            case StringValue text:
                context.Budget.Steps(text.Value.Length);
                return context.NewString(string.Concat(Pick(PythonText.Characters(text.Value), start, stop, stride)));
            case SequenceValue sequence:
                List<JinjaValue> items = Pick(sequence.Items, start, stop, stride);
                context.Budget.Steps(items.Count);
                return sequence is RangeValue range ? SliceOf(range, items) : sequence.With(items);
            default:
                throw TemplateFault.Runtime($"'{value.TypeName}' object cannot be sliced");
        }

        RangeValue SliceOf(RangeValue range, List<JinjaValue> items)
        {
            (int from, int to) = Range(range.Items.Count, start, stop, stride);
            return range.Slice(from, to, stride, items);
        }
    }

    private static List<T> Pick<T>(IReadOnlyList<T> items, JinjaValue start, JinjaValue stop, int step)
    {
        (int from, int to) = Range(items.Count, start, stop, step);
        var picked = new List<T>();
        for (long i = from; step > 0 ? i < to : i > to; i += step)
        {
            picked.Add(items[(int)i]);
        }

        return picked;
    }

    /// <summary>The rule of Python's <c>slice.indices</c>.</summary>
    private static (int From, int To) Range(int length, JinjaValue start, JinjaValue stop, int step)
    {
        int lowest = step > 0 ? 0 : -1;
        int highest = step > 0 ? length : length - 1;
        return (Clamp(start, step > 0 ? lowest : highest), Clamp(stop, step > 0 ? highest : lowest));

        int Clamp(JinjaValue index, int missing)
        {
            if (index is NoneValue)
            {
                return missing;
            }

            long position = Bound(index);
            return (int)Math.Clamp(position < 0 ? position + length : position, lowest, highest);
        }
    }

    private static int Bound(JinjaValue value) => value switch
    {
        UndefinedValue undefined => throw undefined.Used(),
        IntValue or BoolValue => Numbers.ToInt(value),
        _ => throw TemplateFault.Runtime("slice indices must be integers or None"),
    };

    private static UndefinedValue NoAttribute(JinjaValue value, string name) => new($"'{value.TypeName}' object has no attribute '{TemplateFault.Name(name)}'");

    private static UndefinedValue NoElement(RenderContext context, JinjaValue value, JinjaValue key) =>
        new($"{value.TypeName} object has no element {(key is IntValue ? context.Text(key) : $"of type {key.TypeName}")}");
}
