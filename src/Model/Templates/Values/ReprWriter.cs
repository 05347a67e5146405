using System.Text;
using ServingGrid.Model.Templates.Runtime;

namespace ServingGrid.Model.Templates.Values;

/// <summary>Builds the <c>repr</c> of a value, within the bounds on depth and length.</summary>
internal sealed class ReprWriter(RenderContext context)
{
    private readonly StringBuilder _text = new();
    private int _depth;

    public RenderContext Context => context;

    public void Write(string text)
    {
        context.Budget.Characters(text.Length);
        _text.Append(text);
    }

    public void WriteList(string open, IReadOnlyList<JinjaValue> items, string close)
    {
        Enter();
        Write(open);
        for (int i = 0; i < items.Count; i++)
        {
            Separate(i);
            items[i].WriteRepr(this);
        }

        Write(close);
        _depth--;
    }

    public void WriteDict(IEnumerable<KeyValuePair<JinjaValue, JinjaValue>> pairs)
    {
        Enter();
        Write("{");
        int i = 0;
        foreach ((JinjaValue key, JinjaValue value) in pairs)
        {
            Separate(i++);
            key.WriteRepr(this);
            Write(": ");
            value.WriteRepr(this);
        }

        Write("}");
        _depth--;
    }

    /// <summary>A string in quotes: single ones unless the text holds those and no double ones.</summary>
    public void WriteQuoted(string text)
    {
        context.Budget.Characters(text.Length + 2);
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        _text.Append(quote);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            bool pair = i + 1 < text.Length && char.IsSurrogatePair(c, text[i + 1]);
            int codePoint = pair ? char.ConvertToUtf32(c, text[i + 1]) : c;
            switch (c)
            {
                case '\n': _text.Append("\\n"); break;
                case '\r': _text.Append("\\r"); break;
                case '\t': _text.Append("\\t"); break;
                case '\\': _text.Append("\\\\"); break;
                case var _ when c == quote: _text.Append('\\').Append(c); break;
                case >= ' ' and < '\x7f': _text.Append(c); break;
                case var _ when PythonText.IsPrintable(codePoint): _text.Append(text, i, pair ? 2 : 1); break;
                default:
                    // Up to ten characters for one or two that are paid for.
                    context.Budget.Characters(codePoint <= 0xff ? 3 : codePoint <= 0xffff ? 5 : 8);
                    _text.Append(codePoint <= 0xff ? $"\\x{codePoint:x2}" : codePoint <= 0xffff ? $"\\u{codePoint:x4}" : $"\\U{codePoint:x8}");
                    break;
            }

            i += pair ? 1 : 0;
        }

        _text.Append(quote);
    }

    public override string ToString() => _text.ToString();

    private void Separate(int index)
    {
        context.Budget.Steps(1);
        if (index > 0)
        {
            Write(", ");
        }
    }

    private void Enter()
    {
        if (++_depth > TemplateLimits.ValueDepth)
        {
            throw TemplateFault.Bound($"a value nested deeper than {TemplateLimits.ValueDepth}");
        }
    }
}
