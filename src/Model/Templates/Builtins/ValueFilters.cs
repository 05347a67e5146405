using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Filters for values of any kind.</summary>
internal static class ValueFilters
{
    public static JinjaValue Default(RenderContext _, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("default", 0, "default_value", "boolean");
        bool replaced = value is UndefinedValue || (bound[1] is { IsTrue: true } && !value.IsTrue);
        return replaced ? bound[0] ?? StringValue.Empty : value;
    }

    public static JinjaValue Attr(RenderContext _, JinjaValue value, Arguments arguments)
    {
        string name = StringMethods.Text(arguments.Bind("attr", 1, "name")[0]!);
        return value.Attribute(name) ?? new UndefinedValue($"'{value.TypeName}' object has no attribute '{TemplateFault.Name(name)}'");
    }

    public static JinjaValue Length(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("length", 0);
        return IntValue.Of(value.Length(context) ?? throw TemplateFault.Runtime($"object of type '{value.TypeName}' has no len()"));
    }
}
