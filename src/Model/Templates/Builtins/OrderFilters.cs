using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Filters that compare elements with each other; without <c>case_sensitive</c> strings compare in lower case.</summary>
internal static class OrderFilters
{
    public static JinjaValue Sort(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("sort", 0, "reverse", "case_sensitive", "attribute");
        Func<JinjaValue, JinjaValue> key = MultiKey(context, bound[2], IsTrue(bound[1]));
        return new ListValue(Sorting.Sort(context, context.Iterate(value), key, IsTrue(bound[0])));
    }

    public static JinjaValue DictSort(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("dictsort", 0, "case_sensitive", "by", "reverse");
        string by = bound[1] is null ? "key" : StringMethods.Text(bound[1]!);
        if (by is not ("key" or "value"))
        {
            throw TemplateFault.Runtime("You can only sort by either \"key\" or \"value\"");
        }

        if (value is not DictValue dict)
        {
            throw value is UndefinedValue undefined ? undefined.Used() : TemplateFault.Runtime($"'{value.TypeName}' object has no attribute 'items'");
        }

        Func<JinjaValue, JinjaValue> key = Sorting.Key(context, IntValue.Of(by == "key" ? 0 : 1), IsTrue(bound[0]));
        return new ListValue(Sorting.Sort(context, dict.Pairs(context), key, IsTrue(bound[2])));
    }

    public static JinjaValue GroupBy(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("groupby", 1, "attribute", "default", "case_sensitive");
        Func<JinjaValue, JinjaValue> key = Sorting.Key(context, bound[0], IsTrue(bound[2]), bound[1]);
        Func<JinjaValue, JinjaValue> name = Sorting.Key(context, bound[0], caseSensitive: true, bound[1]);
        var groups = new List<JinjaValue>();
        JinjaValue? current = null;
        List<JinjaValue> members = [];
        foreach (JinjaValue item in Sorting.Sort(context, context.Iterate(value), key, descending: false))
        {
            JinjaValue itemKey = key(item);
            if (current is null || !Comparison.AreEqual(context, current, itemKey))
            {
                members = [];
                current = itemKey;
                groups.Add(new GroupValue(name(item), new ListValue(members)));
            }

            members.Add(item);
        }

        return new ListValue(groups);
    }

    public static JinjaValue Unique(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("unique", 0, "case_sensitive", "attribute");
        Func<JinjaValue, JinjaValue> key = Sorting.Key(context, bound[1], IsTrue(bound[0]));
        var seen = new HashSet<JinjaValue>(context.Keys);
        List<JinjaValue> unique = [.. context.Iterate(value).Where(item => seen.Add(context.Keys.Hashable(key(item))))];
        return new IteratorValue("generator", unique);
    }

    public static JinjaValue Extreme(RenderContext context, JinjaValue value, Arguments arguments, int sign)
    {
        JinjaValue?[] bound = arguments.Bind(sign < 0 ? "min" : "max", 0, "case_sensitive", "attribute");
        Func<JinjaValue, JinjaValue> key = Sorting.Key(context, bound[1], IsTrue(bound[0]));
        (JinjaValue Item, JinjaValue Key)? best = null;
        foreach (JinjaValue item in context.Iterate(value))
        {
            JinjaValue itemKey = key(item);
            if (best is null || Comparison.Order(context, itemKey, best.Value.Key, sign < 0 ? "<" : ">") * sign > 0)
            {
                best = (item, itemKey);
            }
        }

        return best?.Item ?? new UndefinedValue("No aggregated item, sequence was empty.");
    }

    private static bool IsTrue(JinjaValue? flag) => flag is { IsTrue: true };

    /// <summary>
    /// The list of an element's values at several paths, "role,content". A list even for one, as in jinja2: elements of lists are
    /// compared for equality first, so that equal values without an order (none, undefined) can be sorted.
    /// </summary>
    private static Func<JinjaValue, JinjaValue> MultiKey(RenderContext context, JinjaValue? attribute, bool caseSensitive)
    {
        context.Budget.Steps(attribute is StringValue { Value: var list } ? list.AsSpan().Count(',') + 1 : 1);
        IEnumerable<JinjaValue?> paths = attribute is StringValue { Value: var names }
            ? names.Split(',').Select(name => new StringValue(name))
            : [attribute];
        Func<JinjaValue, JinjaValue>[] keys = [.. paths.Select(path => Sorting.Key(context, path, caseSensitive))];
        return item => new ListValue([.. keys.Select(key => key(item))]);
    }
}
