using System.Text;
using ServingGrid.Model.Templates.Builtins;
using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

/// <summary>Python's <c>json.dumps</c>, as the filter <c>tojson</c> of chat templates calls it.</summary>
internal sealed class JsonText(RenderContext context)
{
    private readonly StringBuilder _text = new();
    private int _depth;

    /// <summary>What one level is indented by; null for everything on one line.</summary>
    public string? Indent { get; init; }

    /// <summary>Between elements; without indentation usually ", ".</summary>
    public string ItemSeparator { get; init; } = ", ";

    public string KeySeparator { get; init; } = ": ";

    /// <summary>Write everything beyond ASCII as escapes.</summary>
    public bool AsciiOnly { get; init; }

    public bool SortKeys { get; init; }

    public string Write(JinjaValue value)
    {
        Append(value);
        return _text.ToString();
    }

    private void Append(JinjaValue value)
    {
        context.Budget.Steps(1);
        switch (value)
        {
            case NoneValue: Append("null"); break;
            case BoolValue flag: Append(flag.Value ? "true" : "false"); break;
            case IntValue integer: Append(integer.Value.ToString()); break;
            case FloatValue real: Append(Number(real.Value)); break;
            case StringValue text: AppendString(text.Value); break;
            case ListValue or TupleValue or GroupValue: AppendArray(((SequenceValue)value).Items); break;
            case DictValue dict: AppendObject(dict); break;
            default: throw TemplateFault.Runtime($"Object of type {value.TypeName} is not JSON serializable");
        }
    }

    private void Append(string text)
    {
        context.Budget.Characters(text.Length);
        _text.Append(text);
    }

    private static string Number(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsInfinity(value) ? value > 0 ? "Infinity" : "-Infinity" : PythonFloat.Repr(value);

    private void AppendArray(IReadOnlyList<JinjaValue> items)
    {
        Begin("[");
        for (int i = 0; i < items.Count; i++)
        {
            Separate(i);
            Append(items[i]);
        }

        End(items.Count, "]");
    }

    private void AppendObject(DictValue dict)
    {
        Begin("{");
        int i = 0;
        IEnumerable<KeyValuePair<JinjaValue, JinjaValue>> entries = dict.Entries;
        if (SortKeys)
        {
            entries = Sorting.Sort(context, [.. dict.Entries.Keys], key => key, descending: false)
                .Select(key => KeyValuePair.Create(key, dict.Entries[key]));
        }

        foreach ((JinjaValue key, JinjaValue value) in entries)
        {
            Separate(i++);
            AppendString(key switch
            {
                StringValue text => text.Value,
                IntValue integer => integer.Value.ToString(),
                FloatValue real => Number(real.Value),
                BoolValue flag => flag.Value ? "true" : "false",
                NoneValue => "null",
                _ => throw TemplateFault.Runtime($"keys must be str, int, float, bool or None, not {key.TypeName}"),
            });
            Append(KeySeparator);
            Append(value);
        }

        End(dict.Entries.Count, "}");
    }

    private void Begin(string bracket)
    {
        if (++_depth > TemplateLimits.ValueDepth)
        {
            throw TemplateFault.Bound($"a value nested deeper than {TemplateLimits.ValueDepth}");
        }

        Append(bracket);
    }

    private void Separate(int index)
    {
        if (index > 0)
        {
            Append(ItemSeparator);
        }

        NewLine();
    }

    private void End(int count, string bracket)
    {
        _depth--;
        if (count > 0)
        {
            NewLine();
        }

        Append(bracket);
    }

    private void NewLine()
    {
        if (Indent is not null)
        {
            context.Budget.Characters(1 + ((long)Indent.Length * _depth));
            _text.Append('\n').Insert(_text.Length, Indent, _depth);
        }
    }

    private void AppendString(string text)
    {
        context.Budget.Characters(text.Length + 2);
        _text.Append('"');
        foreach (char c in text)
        {
            switch (c)
            {
                case '"': _text.Append("\\\""); break;
                case '\\': _text.Append("\\\\"); break;
                case '\n': _text.Append("\\n"); break;
                case '\r': _text.Append("\\r"); break;
                case '\t': _text.Append("\\t"); break;
                case '\f': _text.Append("\\f"); break;
                case '\b': _text.Append("\\b"); break;
                case < ' ': AppendEscape(c); break;
                case > '~' when AsciiOnly && c != '\x7f': AppendEscape(c); break;
                default: _text.Append(c); break;
            }
        }

        _text.Append('"');
    }

    private void AppendEscape(char c)
    {
        // One is paid for as the character that it stands for.
        context.Budget.Characters(5);
        _text.Append("\\u").Append(((int)c).ToString("x4"));
    }
}
