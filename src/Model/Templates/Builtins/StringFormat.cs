using System.Text;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Python's <c>str.format</c>: <c>{}</c>, <c>{0}</c>, <c>{name.field[key]!r:spec}</c>; fields inside a specification are refused.</summary>
internal static class StringFormat
{
    public static string Format(RenderContext context, string format, Arguments arguments)
    {
        var text = new StringBuilder();
        int automatic = 0;
        for (int i = 0; i < format.Length; i++)
        {
            char c = format[i];
            if (c is '{' or '}' && i + 1 < format.Length && format[i + 1] == c)
            {
                text.Append(c);
                i++;
            }
            else if (c == '{')
            {
                int end = format.IndexOf('}', i);
                if (end < 0)
                {
                    throw TemplateFault.Runtime("expected '}' before end of string");
                }

                string field = FormatField(context, format[(i + 1)..end], arguments, ref automatic);
                context.Budget.Steps(1);
                context.Budget.Characters(field.Length);
                text.Append(field);
                i = end;
            }
            else
            {
                text.Append(c == '}' ? throw TemplateFault.Runtime("single '}' encountered in format string") : c);
            }
        }

        return text.ToString();
    }

    private static string FormatField(RenderContext context, string field, Arguments arguments, ref int automatic)
    {
        if (field.Contains('{'))
        {
            throw TemplateFault.Runtime("nested fields in a format string are not supported");
        }

        int colon = field.IndexOf(':');
        string spec = colon < 0 ? "" : field[(colon + 1)..];
        string name = colon < 0 ? field : field[..colon];
        int bang = name.IndexOf('!');
        string conversion = bang < 0 ? "" : name[(bang + 1)..];
        JinjaValue value = Resolve(context, bang < 0 ? name : name[..bang], arguments, ref automatic);
        value = conversion switch
        {
            "" => value,
            "s" => new StringValue(context.Text(value)),
            "r" or "a" => new StringValue(PercentFormat.Repr(context, value)),
            _ => throw TemplateFault.Runtime($"unknown conversion '{conversion}' in a format string"),
        };
        return spec.Length == 0 ? context.Text(value) : FormatSpec.Parse(spec).Format(context, value);
    }

    private static JinjaValue Resolve(RenderContext context, string path, Arguments arguments, ref int automatic)
    {
        int end = path.AsSpan().IndexOfAny('.', '[');
        string first = end < 0 ? path : path[..end];
        JinjaValue value;
        if (first.Length == 0 || first.All(char.IsAsciiDigit))
        {
            int index = first.Length == 0 ? automatic++ : first.Length < 9 ? int.Parse(first, System.Globalization.CultureInfo.InvariantCulture) : int.MaxValue;
            value = index < arguments.Positional.Count
                ? arguments.Positional[index]
                : throw TemplateFault.Runtime("replacement index out of range for positional arguments");
        }
        else
        {
            context.Budget.Steps(arguments.Named.Count);
            value = arguments.ByName(first) ?? throw TemplateFault.Runtime($"the format string names '{first}', which is not given");
        }

        for (int i = Math.Max(end, 0); end >= 0 && i < path.Length;)
        {
            bool element = path[i] == '[';
            int stop = element ? path.IndexOf(']', i) : path.AsSpan(i + 1).IndexOfAny('.', '[') is var next and >= 0 ? i + 1 + next : path.Length;
            if (stop < 0)
            {
                throw TemplateFault.Runtime("missing ']' in format string");
            }

            string part = path[(i + 1)..stop];
            value = !element ? Access.Attribute(context, value, part)
                : Access.Element(context, value, part.All(char.IsAsciiDigit) && Numbers.ParseInteger(part, 10) is { } index ? IntValue.Of(index) : new StringValue(part));
            i = element ? stop + 1 : stop;
        }

        return value;
    }
}
