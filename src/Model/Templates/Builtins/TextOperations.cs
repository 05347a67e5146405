using System.Text;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>Operations on text that filters and methods share; each pays for what it reads and writes before it starts.</summary>
internal static class TextOperations
{
    public static string Replace(RenderContext context, string text, string old, string by, int count)
    {
        context.Budget.Characters(text.Length + old.Length);
        count = count < 0 ? int.MaxValue : count;
        if (old.Length == 0)
        {
            return Interleave(context, text, by, count);
        }

        List<int> found = new TextSearch(old).All(text, count);
        if (found.Count == 0)
        {
            return text;
        }

        context.Budget.Characters(text.Length + ((long)by.Length * found.Count));
        var result = new StringBuilder();
        int start = 0;
        foreach (int index in found)
        {
            result.Append(text, start, index - start).Append(by);
            start = index + old.Length;
        }

        return result.Append(text, start, text.Length - start).ToString();
    }

    /// <summary>Splits at <paramref name="separator"/> at most <paramref name="limit"/> times from the left.</summary>
    public static List<JinjaValue> Split(RenderContext context, string text, string separator, int limit)
    {
        context.Budget.Characters((2L * text.Length) + separator.Length);
        List<int> found = new TextSearch(separator).All(text, limit);
        context.Budget.Steps(found.Count + 1);
        var parts = new List<JinjaValue>(found.Count + 1);
        int start = 0;
        foreach (int index in found)
        {
            parts.Add(new StringValue(text[start..index]));
            start = index + separator.Length;
        }

        parts.Add(new StringValue(text[start..]));
        return parts;
    }

    /// <summary>Splits at <paramref name="separator"/> at most <paramref name="limit"/> times from the right.</summary>
    public static List<JinjaValue> SplitRight(RenderContext context, string text, string separator, int limit)
    {
        context.Budget.Characters(text.Length * (2L + (separator.Length / 32)));
        var parts = new List<JinjaValue>();
        int end = text.Length;
        while (parts.Count < limit && end >= separator.Length)
        {
            int index = text.AsSpan(0, end).LastIndexOf(separator, StringComparison.Ordinal);
            if (index < 0)
            {
                break;
            }

            context.Budget.Steps(1);
            parts.Add(new StringValue(text[(index + separator.Length)..end]));
            end = index;
        }

        parts.Add(new StringValue(text[..end]));
        parts.Reverse();
        return parts;
    }

    /// <summary>Python's <c>split()</c>: at runs of blanks, without empty parts.</summary>
    public static List<JinjaValue> SplitBlanks(RenderContext context, string text, int limit)
    {
        context.Budget.Characters(2L * text.Length);
        var parts = new List<JinjaValue>();
        for (int i = 0; i < text.Length;)
        {
            if (PythonText.IsSpace(text[i]))
            {
                i++;
                continue;
            }

            int end = i;
            while (end < text.Length && (parts.Count == limit || !PythonText.IsSpace(text[end])))
            {
                end++;
            }

            context.Budget.Steps(1);
            parts.Add(new StringValue(text[i..end]));
            i = end;
        }

        return parts;
    }

    /// <summary>The mirror image of <see cref="SplitBlanks"/>.</summary>
    public static List<JinjaValue> SplitBlanksRight(RenderContext context, string text, int limit)
    {
        context.Budget.Characters(2L * text.Length);
        var parts = new List<JinjaValue>();
        for (int i = text.Length; i > 0;)
        {
            if (PythonText.IsSpace(text[i - 1]))
            {
                i--;
                continue;
            }

            int start = i;
            while (start > 0 && (parts.Count == limit || !PythonText.IsSpace(text[start - 1])))
            {
                start--;
            }

            context.Budget.Steps(1);
            parts.Add(new StringValue(text[start..i]));
            i = start;
        }

        parts.Reverse();
        return parts;
    }

    /// <summary>The lines of a text, with their ends where asked.</summary>
    public static List<string> Lines(RenderContext context, string text, bool keepEnds = false)
    {
        context.Budget.Characters(text.Length);
        context.Budget.Steps(text.Count(PythonText.IsLineEnd));
        return PythonText.SplitLines(text, keepEnds);
    }

    public static string Join(RenderContext context, string separator, IEnumerable<string> parts)
    {
        var text = new StringBuilder();
        bool first = true;
        foreach (string part in parts)
        {
            context.Budget.Characters(part.Length + separator.Length + 1);
            if (!first)
            {
                text.Append(separator);
            }

            first = false;
            text.Append(part);
        }

        return text.ToString();
    }

    /// <summary>Pads to <paramref name="width"/> code points; <paramref name="align"/> is '&lt;', '^' or '>'.</summary>
    public static string Pad(RenderContext context, string text, int width, char align, string fill)
    {
        int missing = width - context.Length(text);
        if (missing <= 0)
        {
            return text;
        }

        context.Budget.Characters(text.Length + ((long)missing * fill.Length));
        int left = align switch { '<' => 0, '>' => missing, _ => missing / 2 };
        return new StringBuilder().Insert(0, fill, left).Append(text).Insert(left + text.Length, fill, missing - left).ToString();
    }

    private static string Interleave(RenderContext context, string text, string by, int count)
    {
        context.Budget.Steps(text.Length);
        List<string> characters = PythonText.Characters(text);
        context.Budget.Characters(text.Length + ((long)by.Length * Math.Min(count, characters.Count + 1L)));
        var result = new StringBuilder();
        for (int i = 0; i <= characters.Count; i++)
        {
            result.Append(i < count ? by : "").Append(i < characters.Count ? characters[i] : "");
        }

        return result.ToString();
    }
}
