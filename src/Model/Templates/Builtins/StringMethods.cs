using System.Collections.Frozen;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>The methods of Python's str.</summary>
internal static class StringMethods
{
    private static readonly FrozenDictionary<string, Func<RenderContext, string, Arguments, JinjaValue>> Table =
        new Dictionary<string, Func<RenderContext, string, Arguments, JinjaValue>>
        {
            ["strip"] = (c, s, a) => Strip(c, s, a, true, true),
            ["lstrip"] = (c, s, a) => Strip(c, s, a, true, false),
            ["rstrip"] = (c, s, a) => Strip(c, s, a, false, true),
            ["split"] = (c, s, a) => Split(c, s, a, fromRight: false),
            ["rsplit"] = (c, s, a) => Split(c, s, a, fromRight: true),
            ["splitlines"] = SplitLines,
            ["partition"] = (c, s, a) => Partition(c, s, a, fromRight: false),
            ["rpartition"] = (c, s, a) => Partition(c, s, a, fromRight: true),
            ["startswith"] = (c, s, a) => Affix(c, s, a, "startswith", (text, affix) => text.StartsWith(affix, StringComparison.Ordinal)),
            ["endswith"] = (c, s, a) => Affix(c, s, a, "endswith", (text, affix) => text.EndsWith(affix, StringComparison.Ordinal)),
            ["removeprefix"] = (c, s, a) => RemoveAffix(c, s, a, prefix: true),
            ["removesuffix"] = (c, s, a) => RemoveAffix(c, s, a, prefix: false),
            ["replace"] = Replace,
            ["find"] = (c, s, a) => Find(c, s, a, "find", last: false),
            ["rfind"] = (c, s, a) => Find(c, s, a, "rfind", last: true),
            ["index"] = (c, s, a) => Index(Find(c, s, a, "index", last: false)),
            ["rindex"] = (c, s, a) => Index(Find(c, s, a, "rindex", last: true)),
            ["count"] = Count,
            ["join"] = Join,
            ["format"] = (c, s, a) => c.NewString(StringFormat.Format(c, s, a)),
            ["upper"] = (c, s, _) => c.NewString(PythonText.Upper(s)),
            ["lower"] = (c, s, _) => c.NewString(PythonText.Lower(s)),
            ["casefold"] = (c, s, _) => c.NewString(PythonText.Lower(s)),
            ["capitalize"] = (c, s, _) => c.NewString(PythonText.Capitalize(s)),
            ["title"] = (c, s, _) => c.NewString(PythonText.Title(s)),
            ["swapcase"] = (c, s, _) =>
                c.NewString(string.Concat(s.Select(x => char.IsUpper(x) ? char.ToLowerInvariant(x) : char.ToUpperInvariant(x)))),
            ["center"] = (c, s, a) => Justify(c, s, a, "center", '^'),
            ["ljust"] = (c, s, a) => Justify(c, s, a, "ljust", '<'),
            ["rjust"] = (c, s, a) => Justify(c, s, a, "rjust", '>'),
            ["zfill"] = ZeroFill,
            ["isalpha"] = (c, s, _) => All(c, s, char.IsLetter),
            ["isdigit"] = (c, s, _) => All(c, s, char.IsDigit),
            ["isdecimal"] = (c, s, _) => All(c, s, char.IsDigit),
            ["isnumeric"] = (c, s, _) => All(c, s, char.IsNumber),
            ["isalnum"] = (c, s, _) => All(c, s, x => char.IsLetter(x) || char.IsNumber(x)),
            ["isspace"] = (c, s, _) => All(c, s, PythonText.IsSpace),
            ["isupper"] = (c, s, _) => BoolValue.Of(IsCased(c, s, upper: true)),
            ["islower"] = (c, s, _) => BoolValue.Of(IsCased(c, s, upper: false)),
        }.ToFrozenDictionary();

    public static JinjaValue? Find(StringValue self, string name) => Table.TryGetValue(name, out var method)
        ? new NativeFunction(name, (context, arguments) =>
        {
            context.Budget.Characters(self.Value.Length / 4);
            return method(context, self.Value, arguments);
        })
        : null;

    /// <summary>Python's <c>isupper</c> and <c>islower</c>: some letter has a case, and none the other.</summary>
    public static bool IsCased(RenderContext context, string text, bool upper)
    {
        context.Budget.Characters(text.Length);
        return text.Any(c => upper ? char.IsUpper(c) : char.IsLower(c)) && !text.Any(c => upper ? char.IsLower(c) : char.IsUpper(c));
    }

    /// <summary>An argument that must be a string.</summary>
    public static string Text(JinjaValue value) => value switch
    {
        StringValue text => text.Value,
        UndefinedValue undefined => throw undefined.Used(),
        _ => throw TemplateFault.Runtime($"must be str, not {value.TypeName}"),
    };

    private static StringValue Strip(RenderContext context, string text, Arguments arguments, bool left, bool right)
    {
        JinjaValue? characters = arguments.Bind("strip", 0, "chars")[0];
        string? set = characters is null or NoneValue ? null : Text(characters);
        context.Budget.Characters((long)text.Length * (1 + ((set?.Length ?? 0) / 16)));
        return new StringValue(PythonText.Strip(text, set, left, right));
    }

    private static ListValue Split(RenderContext context, string text, Arguments arguments, bool fromRight)
    {
        JinjaValue?[] bound = arguments.Bind("split", 0, "sep", "maxsplit");
        int limit = bound[1] is null ? -1 : Numbers.ToInt(bound[1]!);
        limit = limit < 0 ? int.MaxValue : limit;
        if (bound[0] is null or NoneValue)
        {
            return new ListValue(fromRight
                ? TextOperations.SplitBlanksRight(context, text, limit)
                : TextOperations.SplitBlanks(context, text, limit));
        }

        string separator = Separator(bound[0]!);
        return new ListValue(fromRight && limit < int.MaxValue
            ? TextOperations.SplitRight(context, text, separator, limit)
            : TextOperations.Split(context, text, separator, limit));
    }

    private static ListValue SplitLines(RenderContext context, string text, Arguments arguments)
    {
        JinjaValue? keep = arguments.Bind("splitlines", 0, "keepends")[0];
        return context.NewList([.. TextOperations.Lines(context, text, keep is { IsTrue: true }).Select(l => new StringValue(l))]);
    }

    private static TupleValue Partition(RenderContext context, string text, Arguments arguments, bool fromRight)
    {
        string separator = Separator(arguments.Bind("partition", 1, "sep")[0]!);
        List<JinjaValue> parts = fromRight
            ? TextOperations.SplitRight(context, text, separator, 1)
            : TextOperations.Split(context, text, separator, 1);
        return parts.Count == 2
            ? new TupleValue([parts[0], new StringValue(separator), parts[1]])
            : new TupleValue(fromRight ? [StringValue.Empty, StringValue.Empty, parts[0]] : [parts[0], StringValue.Empty, StringValue.Empty]);
    }

    private static string Separator(JinjaValue value)
    {
        string separator = Text(value);
        return separator.Length > 0 ? separator : throw TemplateFault.Runtime("empty separator");
    }

    private static BoolValue Affix(RenderContext context, string text, Arguments arguments, string name, Func<string, string, bool> test)
    {
        JinjaValue?[] bound = arguments.Bind(name, 1, "affix", "start", "end");
        (int start, int end) = Window(text, bound[1], bound[2]);
        if (start > end)
        {
            return BoolValue.False;
        }

        string part = start == 0 && end == text.Length ? text : text[start..end];
        IReadOnlyList<JinjaValue> affixes = bound[0] is TupleValue tuple ? tuple.Items : [bound[0]!];
        context.Budget.Steps(affixes.Count);
        foreach (JinjaValue affix in affixes)
        {
            context.Budget.Characters(Text(affix).Length);
            if (test(part, Text(affix)))
            {
                return BoolValue.True;
            }
        }

        return BoolValue.False;
    }

    private static StringValue RemoveAffix(RenderContext context, string text, Arguments arguments, bool prefix)
    {
        string affix = Text(arguments.Bind(prefix ? "removeprefix" : "removesuffix", 1, "affix")[0]!);
        bool has = prefix ? text.StartsWith(affix, StringComparison.Ordinal) : text.EndsWith(affix, StringComparison.Ordinal);
        return context.NewString(!has ? text : prefix ? text[affix.Length..] : text[..^affix.Length]);
    }

    private static StringValue Replace(RenderContext context, string text, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("replace", 2, "old", "new", "count");
        int count = bound[2] is null ? -1 : Numbers.ToInt(bound[2]!);
        return new StringValue(TextOperations.Replace(context, text, Text(bound[0]!), Text(bound[1]!), count));
    }

    private static IntValue Find(RenderContext context, string text, Arguments arguments, string name, bool last)
    {
        JinjaValue?[] bound = arguments.Bind(name, 1, "sub", "start", "end");
        string part = Text(bound[0]!);
        (int start, int end) = Window(text, bound[1], bound[2]);
        if (start > end || part.Length > end - start)
        {
            return IntValue.Of(-1);
        }

        context.Budget.Characters(text.Length * (last ? 1L + (part.Length / 32) : 1L) + part.Length);
        string window = text[start..end];
        int index = last ? window.LastIndexOf(part, StringComparison.Ordinal) : new TextSearch(part).IndexOf(window, 0);
        return IntValue.Of(index < 0 ? -1 : PythonText.ToCodePointIndex(text, start + index));
    }

    private static IntValue Index(IntValue found) =>
        found.Value.Sign >= 0 ? found : throw TemplateFault.Runtime("substring not found");

    private static IntValue Count(RenderContext context, string text, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("count", 1, "sub", "start", "end");
        string part = Text(bound[0]!);
        (int start, int end) = Window(text, bound[1], bound[2]);
        if (start > end)
        {
            return IntValue.Of(0);
        }

        context.Budget.Characters(text.Length + part.Length);
        string window = text[start..end];
        return IntValue.Of(part.Length == 0 ? PythonText.Length(window) + 1 : new TextSearch(part).All(window).Count);
    }

    private static StringValue Join(RenderContext context, string text, Arguments arguments)
    {
        IReadOnlyList<JinjaValue> items = context.Iterate(arguments.Bind("join", 1, "iterable")[0]!);
        return new StringValue(TextOperations.Join(context, text, items.Select((item, i) => item is StringValue s
            ? s.Value
            : throw TemplateFault.Runtime($"sequence item {i}: expected str instance, {item.TypeName} found"))));
    }

    private static StringValue Justify(RenderContext context, string text, Arguments arguments, string name, char align)
    {
        JinjaValue?[] bound = arguments.Bind(name, 1, "width", "fillchar");
        string fill = bound[1] is null ? " " : Text(bound[1]!);
        if (context.Length(fill) != 1)
        {
            throw TemplateFault.Runtime("the fill character must be exactly one character long");
        }

        int width = Numbers.ToInt(bound[0]!);
        return new StringValue(align == '^'
            ? Center(context, text, width, fill)
            : TextOperations.Pad(context, text, width, align, fill));
    }

    // str.center puts the odd blank left of a text when the width is odd, and right of it otherwise.
    public static string Center(RenderContext context, string text, int width, string fill)
    {
        int length = context.Length(text);
        int missing = width - length;
        int left = (missing / 2) + (missing & width & 1);
        return missing <= 0 ? text : TextOperations.Pad(context, TextOperations.Pad(context, text, length + left, '>', fill), width, '<', fill);
    }

    private static StringValue ZeroFill(RenderContext context, string text, Arguments arguments)
    {
        int width = Numbers.ToInt(arguments.Bind("zfill", 1, "width")[0]!);
        bool signed = text.StartsWith('-') || text.StartsWith('+');
        string digits = TextOperations.Pad(context, signed ? text[1..] : text, signed ? width - 1 : width, '>', "0");
        return new StringValue(signed ? text[0] + digits : digits);
    }

    private static BoolValue All(RenderContext context, string text, Func<char, bool> test)
    {
        context.Budget.Characters(text.Length);
        return BoolValue.Of(text.Length > 0 && text.All(test));
    }

    /// <summary>The UTF-16 range of <c>[start:end]</c>; start beyond end where Python finds nothing at all.</summary>
    private static (int Start, int End) Window(string text, JinjaValue? start, JinjaValue? end)
    {
        if (start is null or NoneValue && end is null or NoneValue)
        {
            return (0, text.Length);
        }

        int length = PythonText.Length(text);
        int from = Position(start, 0), to = Math.Min(Position(end, length), length);
        return from > length ? (1, 0) : (PythonText.ToUtf16Index(text, from), PythonText.ToUtf16Index(text, to));

        int Position(JinjaValue? value, int missing)
        {
            int position = value is null or NoneValue ? missing : Numbers.ToInt(value);
            return position < 0 ? Math.Max(0, position + length) : position;
        }
    }
}
