using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Stable sorting with Python's order, and the keys that Jinja's filters sort and group by.</summary>
internal static class Sorting
{
    public static List<JinjaValue> Sort(
        RenderContext context, IReadOnlyList<JinjaValue> items, Func<JinjaValue, JinjaValue> key, bool descending)
    {
        context.Budget.Steps(items.Count);
        var order = Comparer<JinjaValue>.Create((a, b) => Comparison.Order(context, a, b));
        return [.. descending ? items.OrderByDescending(key, order) : items.OrderBy(key, order)];
    }

    /// <summary>The attribute of an element at a dotted path (the element itself without one), in lower case where asked.</summary>
    public static Func<JinjaValue, JinjaValue> Key(RenderContext context, JinjaValue? attribute, bool caseSensitive, JinjaValue? missing = null)
    {
        return item =>
        {
            JinjaValue value = attribute is null or NoneValue ? item : Access.Path(context, item, attribute);
            value = value is UndefinedValue && missing is not null and not NoneValue ? missing : value;
            return caseSensitive ? value : IgnoreCase(context, value);
        };
    }

    public static JinjaValue IgnoreCase(RenderContext context, JinjaValue value) =>
        value is StringValue text ? context.NewString(PythonText.Lower(text.Value)) : value;
}
