using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Stable sorting with Python's order, and the keys that Jinja's filters sort and group by.</summary>
internal static class Sorting
{
    public static List<JinjaValue> Sort(
        RenderContext context, IReadOnlyList<JinjaValue> items, Func<JinjaValue, JinjaValue> key, bool descending)
    {
        context.Budget.Steps(items.Count * 2L);
        JinjaValue[] keys = [.. items.Select(key)];
        int[] order = [.. Enumerable.Range(0, keys.Length)];
        MergeSort(order, new int[order.Length], (a, b) =>
        {
            int comparison = Comparison.Order(context, keys[a], keys[b]);
            return descending ? -comparison : comparison;
        });
        return [.. order.Select(i => items[i])];
    }

    // The framework's sorts wrap what a comparison throws (values without an order) in an exception of their own.
    private static void MergeSort(Span<int> order, Span<int> spare, Comparison<int> compare)
    {
        if (order.Length < 2)
        {
            return;
        }

        int half = order.Length / 2;
        MergeSort(order[..half], spare, compare);
        MergeSort(order[half..], spare, compare);
        order[..half].CopyTo(spare);
        int left = 0, right = half;
        for (int i = 0; left < half; i++)
        {
            order[i] = right < order.Length && compare(spare[left], order[right]) > 0 ? order[right++] : spare[left++];
        }
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
