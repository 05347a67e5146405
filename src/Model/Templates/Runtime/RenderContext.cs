using System.Text;
using ServingGrid.Model.Templates.Nodes;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>The state of one rendering: where it stands, what it has written, what it may still use.</summary>
internal sealed class RenderContext
{
    private StringBuilder _output = new();

    public RenderContext(DateTimeOffset now)
    {
        Now = now;
        Keys = new KeyComparer(this);
    }

    public Budget Budget { get; } = new();

    public KeyComparer Keys { get; }

    public DateTimeOffset Now { get; }

    public Scope Scope { get; set; } = new(null);

    /// <summary>Line of the statement or call that is being evaluated, for errors.</summary>
    public int Line { get; set; } = 1;

    public string Output => _output.ToString();

    public void Write(string text)
    {
        Budget.Characters(text.Length);
        if (_output.Length + text.Length > TemplateLimits.OutputLength)
        {
            throw TemplateFault.Bound($"the text is longer than {TemplateLimits.OutputLength} characters");
        }

        _output.Append(text);
    }

    /// <summary>Runs statements in <paramref name="scope"/> and returns what they write.</summary>
    public string Capture(Scope scope, Block body) => Capture(() => Run(scope, body));

    /// <summary>What <paramref name="action"/> writes.</summary>
    public string Capture(Action action)
    {
        StringBuilder output = _output;
        _output = new StringBuilder();
        action();
        string text = _output.ToString();
        _output = output;
        return text;
    }

    /// <summary>Runs statements in <paramref name="scope"/>, writing to the current output.</summary>
    public Signal Run(Scope scope, Block body)
    {
        Scope outer = Scope;
        Scope = scope;
        Signal signal = body.Execute(this);
        Scope = outer;
        return signal;
    }

    /// <summary>The elements of a value that must have so many.</summary>
    public IReadOnlyList<JinjaValue> Unpack(JinjaValue value, int count)
    {
        IReadOnlyList<JinjaValue> items = value.Iterate(this) ?? throw TemplateFault.Runtime($"cannot unpack non-iterable {value.TypeName} object");
        if (items.Count != count)
        {
            throw TemplateFault.Runtime(items.Count > count
                ? $"too many values to unpack (expected {count})"
                : $"not enough values to unpack (expected {count}, got {items.Count})");
        }

        return items;
    }

    /// <summary>A string that an operation made, paid for.</summary>
    public StringValue NewString(string text)
    {
        Budget.Characters(text.Length);
        return text.Length == 0 ? StringValue.Empty : new StringValue(text);
    }

    /// <summary>Length in code points, paid for.</summary>
    public int Length(string text)
    {
        Budget.Characters(text.Length / 8);
        return PythonText.Length(text);
    }

    /// <summary>A list that an operation made, paid for.</summary>
    public ListValue NewList(List<JinjaValue> items)
    {
        Budget.Steps(items.Count);
        return new ListValue(items);
    }

    /// <summary>The elements of a value, or the error that it has none.</summary>
    public IReadOnlyList<JinjaValue> Iterate(JinjaValue value) => value.Iterate(this)
        ?? throw TemplateFault.Runtime($"'{value.TypeName}' object is not iterable");

    /// <summary>Python's <c>str(value)</c>.</summary>
    public string Text(JinjaValue value) => value.ToText(this);
}
