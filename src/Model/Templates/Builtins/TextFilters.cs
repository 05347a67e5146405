using System.Text;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Filters that make text; like jinja2's they take the text of whatever they are given.</summary>
internal static class TextFilters
{
    public static JinjaValue ToText(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("string", 0);
        return value as StringValue ?? new StringValue(context.Text(value));
    }

    public static JinjaValue Escape(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("escape", 0);
        string text = context.Text(value);
        context.Budget.Characters(text.Length * 5L);
        return new StringValue(text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("'", "&#39;").Replace("\"", "&#34;"));
    }

    public static JinjaValue Trim(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue? characters = arguments.Bind("trim", 0, "chars")[0];
        string text = context.Text(value);
        string? set = characters is null or NoneValue ? null : StringMethods.Text(characters);
        context.Budget.Characters(text.Length * (1 + ((set?.Length ?? 0) / 16L)));
        return new StringValue(PythonText.Strip(text, set, true, true));
    }

    public static JinjaValue Upper(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("upper", 0);
        return context.NewString(PythonText.Upper(context.Text(value)));
    }

    public static JinjaValue Lower(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("lower", 0);
        return context.NewString(PythonText.Lower(context.Text(value)));
    }

    public static JinjaValue Capitalize(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("capitalize", 0);
        return context.NewString(PythonText.Capitalize(context.Text(value)));
    }

    /// <summary>Unlike <c>str.title</c>, words begin only after blanks, hyphens and opening brackets.</summary>
    public static JinjaValue Title(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("title", 0);
        string text = context.Text(value);
        context.Budget.Characters(text.Length);
        var title = new StringBuilder(text.Length);
        bool inWord = false;
        foreach (char c in text)
        {
            title.Append(inWord ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c));
            inWord = !(PythonText.IsSpace(c) || c is '-' or '(' or '{' or '[' or '<');
        }

        return new StringValue(title.ToString());
    }

    public static JinjaValue Replace(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("replace", 2, "old", "new", "count");
        int count = bound[2] is null or NoneValue ? -1 : Numbers.ToInt(bound[2]!);
        return new StringValue(TextOperations.Replace(context, context.Text(value), context.Text(bound[0]!), context.Text(bound[1]!), count));
    }

    public static JinjaValue Indent(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("indent", 0, "width", "first", "blank");
        string text = StringMethods.Text(value);
        string indent = bound[0] is StringValue own ? own.Value
            : TextOperations.Pad(context, "", bound[0] is null ? 4 : Numbers.ToInt(bound[0]!), '<', " ");
        bool first = bound[1] is { IsTrue: true }, blank = bound[2] is { IsTrue: true };
        context.Budget.Characters(text.Length);
        List<string> lines = TextOperations.Lines(context, text + "\n");
        return new StringValue(TextOperations.Join(context, "\n", lines.Select((line, i) =>
        {
            bool indented = i == 0 ? first : blank || line.Length > 0;
            context.Budget.Characters(indented ? indent.Length : 0);
            return indented ? indent + line : line;
        })));
    }

    public static JinjaValue Center(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue? width = arguments.Bind("center", 0, "width")[0];
        return new StringValue(StringMethods.Center(context, context.Text(value), width is null ? 80 : Numbers.ToInt(width), " "));
    }

    public static JinjaValue Truncate(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("truncate", 0, "length", "killwords", "end", "leeway");
        int length = bound[0] is null ? 255 : Numbers.ToInt(bound[0]!);
        string end = bound[2] is null ? "..." : StringMethods.Text(bound[2]!);
        int leeway = bound[3] is null or NoneValue ? 5 : Numbers.ToInt(bound[3]!);
        int kept = length - context.Length(end);
        if (kept < 0 || leeway < 0)
        {
            throw TemplateFault.Runtime("truncate: the length must not be less than that of the end, nor the leeway negative");
        }

        // A short list passes, too: only what is too long has to be text.
        if (value.Length(context) <= (long)length + leeway)
        {
            return value;
        }

        string text = StringMethods.Text(value);
        string cut = text[..PythonText.ToUtf16Index(text, kept)];
        int space = bound[1] is { IsTrue: true } ? -1 : cut.LastIndexOf(' ');
        return context.NewString((space < 0 ? cut : cut[..space]) + end);
    }

    public static JinjaValue WordCount(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("wordcount", 0);
        string text = context.Text(value);
        context.Budget.Characters(text.Length);
        int count = 0;
        bool inWord = false;
        foreach (char c in text)
        {
            bool word = c == '_' || char.IsLetterOrDigit(c);
            count += word && !inWord ? 1 : 0;
            inWord = word;
        }

        return IntValue.Of(count);
    }

    public static JinjaValue Format(RenderContext context, JinjaValue value, Arguments arguments)
    {
        if (arguments.Named.Count == 0)
        {
            return PercentFormat.Format(context, context.Text(value), new TupleValue(arguments.Positional));
        }

        if (arguments.Positional.Count > 0)
        {
            throw TemplateFault.Runtime("format: can't handle positional and keyword arguments at the same time");
        }

        var named = new DictValue(context);
        DictMethods.Update(context, named, arguments);
        return PercentFormat.Format(context, context.Text(value), named);
    }

    public static JinjaValue UrlEncode(RenderContext context, JinjaValue value, Arguments arguments)
    {
        arguments.Bind("urlencode", 0);
        var encoded = new StringBuilder();
        if (value is StringValue || value.Iterate(context) is not { } items)
        {
            Percent(context, encoded, value, "/");
            return new StringValue(encoded.ToString());
        }

        // Pairs: the query of an address.
        foreach (JinjaValue item in value is DictValue dict ? dict.Pairs(context) : items)
        {
            IReadOnlyList<JinjaValue> pair = context.Unpack(item, 2);
            encoded.Append(encoded.Length > 0 ? "&" : "");
            Percent(context, encoded, pair[0], "+");
            encoded.Append('=');
            Percent(context, encoded, pair[1], "+");
        }

        return new StringValue(encoded.ToString());
    }

    /// <summary>Appends a text as addresses have it.</summary>
    /// <param name="context">Pays for it.</param>
    /// <param name="encoded">Where to.</param>
    /// <param name="value">Its text is encoded.</param>
    /// <param name="kept">"/" for a path, where it stays as it is; "+" for a query, where it stands for a space.</param>
    private static void Percent(RenderContext context, StringBuilder encoded, JinjaValue value, string kept)
    {
        string text = context.Text(value);
        context.Budget.Characters((text.Length * 9L) + 2);
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            bool plain = char.IsAsciiLetterOrDigit((char)b) || (char)b is '_' or '.' or '-' or '~' || (kept == "/" && b == '/');
            encoded.Append(plain ? ((char)b).ToString() : kept == "+" && b == ' ' ? "+" : $"%{b:X2}");
        }
    }

    /// <summary>With the parameters that chat templates' <c>tojson</c> has beyond jinja2's.</summary>
    public static JinjaValue ToJson(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("tojson", 0, "indent", "ensure_ascii", "separators", "sort_keys");
        string? indent = bound[0] switch
        {
            null or NoneValue => null,
            StringValue own => own.Value,
            _ => TextOperations.Pad(context, "", Numbers.ToInt(bound[0]!), '<', " "),
        };
        (string item, string key) = (indent is null ? ", " : ",", ": ");
        if (bound[2] is SequenceValue { Items.Count: 2 } separators)
        {
            (item, key) = (StringMethods.Text(separators.Items[0]), StringMethods.Text(separators.Items[1]));
        }

        return new StringValue(new JsonText(context)
        {
            Indent = indent,
            ItemSeparator = item,
            KeySeparator = key,
            AsciiOnly = bound[1] is { IsTrue: true },
            SortKeys = bound[3] is { IsTrue: true },
        }.Write(value));
    }

    public static JinjaValue Join(RenderContext context, JinjaValue value, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("join", 0, "d", "attribute");
        Func<JinjaValue, JinjaValue> key = Sorting.Key(context, bound[1], caseSensitive: true);
        string separator = bound[0] is null ? "" : context.Text(bound[0]!);
        return new StringValue(TextOperations.Join(context, separator, context.Iterate(value).Select(item => context.Text(key(item)))));
    }
}
