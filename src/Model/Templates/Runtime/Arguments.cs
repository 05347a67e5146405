using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>The arguments of a call, by position and by name.</summary>
internal readonly struct Arguments(IReadOnlyList<JinjaValue> positional, IReadOnlyList<KeyValuePair<string, JinjaValue>> named)
{
    public static readonly Arguments None = new([], []);

    public IReadOnlyList<JinjaValue> Positional { get; } = positional;

    public IReadOnlyList<KeyValuePair<string, JinjaValue>> Named { get; } = named;

    public JinjaValue? ByName(string name)
    {
        foreach ((string key, JinjaValue value) in Named)
        {
            if (key == name)
            {
                return value;
            }
        }

        return null;
    }

    /// <summary>The same without the first <paramref name="count"/> positional arguments.</summary>
    public Arguments Skip(int count) => new([.. Positional.Skip(count)], Named);

    /// <summary>
    /// Fits the arguments to parameters: one slot for each of <paramref name="parameters"/>, null where it was not given.
    /// </summary>
    /// <exception cref="TemplateFault">Too many, an unknown name, one given twice, or fewer than <paramref name="required"/>.</exception>
    public JinjaValue?[] Bind(string function, int required, params ReadOnlySpan<string> parameters)
    {
        if (Positional.Count > parameters.Length)
        {
            throw TemplateFault.Runtime($"{function}() takes at most {parameters.Length} arguments ({Positional.Count} given)");
        }

        var slots = new JinjaValue?[parameters.Length];
        for (int i = 0; i < Positional.Count; i++)
        {
            slots[i] = Positional[i];
        }

        foreach ((string name, JinjaValue value) in Named)
        {
            int slot = parameters.IndexOf(name);
            if (slot < 0)
            {
                throw TemplateFault.Runtime($"{function}() got an unexpected keyword argument '{name}'");
            }

            if (slots[slot] is not null)
            {
                throw TemplateFault.Runtime($"{function}() got multiple values for argument '{name}'");
            }

            slots[slot] = value;
        }

        for (int i = 0; i < required; i++)
        {
            if (slots[i] is null)
            {
                throw TemplateFault.Runtime($"{function}() misses its argument '{parameters[i]}'");
            }
        }

        return slots;
    }
}
