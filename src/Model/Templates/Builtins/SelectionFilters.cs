using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary><c>map</c>, and <c>select</c> with its three relatives.</summary>
internal static class SelectionFilters
{
    public static JinjaValue Map(RenderContext context, JinjaValue value, Arguments arguments)
    {
        if (!value.IsTrue)
        {
            return new IteratorValue("generator", []);
        }

        Func<JinjaValue, JinjaValue> function = Function(context, arguments);
        IReadOnlyList<JinjaValue> items = context.Iterate(value);
        var mapped = new List<JinjaValue>(items.Count);
        foreach (JinjaValue item in items)
        {
            context.Budget.Steps(1);
            mapped.Add(function(item));
        }

        return new IteratorValue("generator", mapped);
    }

    public static JinjaValue Select(RenderContext context, JinjaValue value, Arguments arguments, bool keep, bool byAttribute)
    {
        if (!value.IsTrue)
        {
            return new IteratorValue("generator", []);
        }

        JinjaValue? attribute = byAttribute
            ? arguments.Positional.Count > 0 ? arguments.Positional[0] : throw TemplateFault.Runtime("Missing parameter for attribute name")
            : null;
        Func<JinjaValue, JinjaValue> key = Sorting.Key(context, attribute, caseSensitive: true);
        Arguments rest = byAttribute ? arguments.Skip(1) : arguments;
        Func<JinjaValue, bool> test = item => item.IsTrue;
        if (rest.Positional.Count > 0)
        {
            string name = StringMethods.Text(rest.Positional[0]);
            TestFunction function = TestTable.Find(name) ?? throw TemplateFault.Runtime($"there is no test '{name}'");
            Arguments parameters = rest.Skip(1);
            test = item => function(context, item, parameters);
        }

        var selected = new List<JinjaValue>();
        foreach (JinjaValue item in context.Iterate(value))
        {
            context.Budget.Steps(1);
            if (test(key(item)) == keep)
            {
                selected.Add(item);
            }
        }

        return new IteratorValue("generator", selected);
    }

    private static Func<JinjaValue, JinjaValue> Function(RenderContext context, Arguments arguments)
    {
        if (arguments.Positional.Count == 0 && arguments.ByName("attribute") is { } attribute)
        {
            JinjaValue?[] bound = arguments.Bind("map", 1, "attribute", "default");
            return Sorting.Key(context, attribute, caseSensitive: true, bound[1]);
        }

        if (arguments.Positional.Count == 0)
        {
            throw TemplateFault.Runtime("map requires a filter argument");
        }

        string name = StringMethods.Text(arguments.Positional[0]);
        FilterFunction filter = FilterTable.Find(name) ?? throw TemplateFault.Runtime($"there is no filter '{name}'");
        Arguments rest = arguments.Skip(1);
        return item => filter(context, item, rest);
    }
}
