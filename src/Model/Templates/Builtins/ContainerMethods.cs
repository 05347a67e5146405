using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>The methods of Python's list.</summary>
internal static class ListMethods
{
    public static JinjaValue? Find(ListValue self, string name)
    {
        Func<RenderContext, Arguments, JinjaValue>? method = name switch
        {
            "append" => (_, a) => Done(() => self.Mutable.Add(a.Bind(name, 1, "object")[0]!)),
            "extend" => (c, a) => Extend(c, self, a.Bind(name, 1, "iterable")[0]!),
            "insert" => (c, a) => Insert(c, self, a.Bind(name, 2, "index", "object")),
            "pop" => (c, a) => Pop(c, self, a.Bind(name, 0, "index")[0]),
            "remove" => (c, a) => Done(() => self.Mutable.RemoveAt(SequenceMethods.IndexOf(c, self, a.Bind(name, 1, "value")[0]!))),
            "clear" => (_, _) => Done(self.Mutable.Clear),
            "copy" => (c, _) => c.NewList([.. self.Mutable]),
            "reverse" => (c, _) => Done(() =>
            {
                c.Budget.Steps(self.Mutable.Count);
                self.Mutable.Reverse();
            }),
            "sort" => (c, a) => Sort(c, self, a),
            "index" => (c, a) => IntValue.Of(SequenceMethods.IndexOf(c, self, a.Bind(name, 1, "value")[0]!)),
            "count" => (c, a) => IntValue.Of(SequenceMethods.Count(c, self, a.Bind(name, 1, "value")[0]!)),
            _ => null,
        };
        return method is null ? null : new NativeFunction(name, method);
    }

    private static NoneValue Done(Action action)
    {
        action();
        return NoneValue.Instance;
    }

    private static NoneValue Extend(RenderContext context, ListValue self, JinjaValue items)
    {
        IReadOnlyList<JinjaValue> added = context.Iterate(items);
        context.Budget.Steps(added.Count);
        self.Mutable.AddRange(added);
        return NoneValue.Instance;
    }

    private static NoneValue Insert(RenderContext context, ListValue self, JinjaValue?[] bound)
    {
        context.Budget.Steps(self.Mutable.Count / 8);
        int index = Numbers.ToInt(bound[0]!);
        index = index < 0 ? Math.Max(0, index + self.Mutable.Count) : Math.Min(index, self.Mutable.Count);
        self.Mutable.Insert(index, bound[1]!);
        return NoneValue.Instance;
    }

    private static JinjaValue Pop(RenderContext context, ListValue self, JinjaValue? position)
    {
        context.Budget.Steps(self.Mutable.Count / 8);
        if (!Numbers.TryIndex(position ?? IntValue.Of(-1), self.Mutable.Count, out int index))
        {
            throw TemplateFault.Runtime(self.Mutable.Count == 0 ? "pop from empty list" : "pop index out of range");
        }

        JinjaValue item = self.Mutable[index];
        self.Mutable.RemoveAt(index);
        return item;
    }

    private static NoneValue Sort(RenderContext context, ListValue self, Arguments arguments)
    {
        if (arguments.Positional.Count > 0 || arguments.Named.Any(n => n.Key != "reverse"))
        {
            throw TemplateFault.Runtime("sort() takes only the argument 'reverse' here");
        }

        List<JinjaValue> sorted = Sorting.Sort(context, self.Mutable, x => x, arguments.ByName("reverse") is { IsTrue: true });
        self.Mutable.Clear();
        self.Mutable.AddRange(sorted);
        return NoneValue.Instance;
    }
}

/// <summary>The methods of Python's tuple.</summary>
internal static class TupleMethods
{
    public static JinjaValue? Find(TupleValue self, string name) => name switch
    {
        "index" => new NativeFunction(name, (c, a) => IntValue.Of(SequenceMethods.IndexOf(c, self, a.Bind(name, 1, "value")[0]!))),
        "count" => new NativeFunction(name, (c, a) => IntValue.Of(SequenceMethods.Count(c, self, a.Bind(name, 1, "value")[0]!))),
        _ => null,
    };
}

internal static class SequenceMethods
{
    public static int IndexOf(RenderContext context, SequenceValue sequence, JinjaValue value)
    {
        for (int i = 0; i < sequence.Items.Count; i++)
        {
            if (Comparison.AreEqual(context, sequence.Items[i], value))
            {
                return i;
            }
        }

        throw TemplateFault.Runtime($"the value is not in the {sequence.TypeName}");
    }

    public static int Count(RenderContext context, SequenceValue sequence, JinjaValue value) =>
        sequence.Items.Count(item => Comparison.AreEqual(context, item, value));
}

/// <summary>The methods of Python's dict.</summary>
internal static class DictMethods
{
    public static JinjaValue? Find(DictValue self, string name)
    {
        Func<RenderContext, Arguments, JinjaValue>? method = name switch
        {
            "items" => (_, a) => View("dict_items", self, a, self.Pairs),
            "keys" => (_, a) => View("dict_keys", self, a, self.Iterate),
            "values" => (_, a) => View("dict_values", self, a, c =>
            {
                c.Budget.Steps(self.Entries.Count / 8);
                return self.Entries.Values.ToArray();
            }),
            "get" => (c, a) => Get(c, self, a.Bind(name, 1, "key", "default")),
            "pop" => (c, a) => Pop(c, self, a.Bind(name, 1, "key", "default")),
            "popitem" => (_, _) => PopItem(self),
            "setdefault" => (c, a) => SetDefault(c, self, a.Bind(name, 1, "key", "default")),
            "update" => (c, a) => Update(c, self, a),
            "copy" => (c, _) => Update(c, new DictValue(c), self),
            "clear" => (_, _) =>
            {
                self.Entries.Clear();
                return NoneValue.Instance;
            }
            ,
            _ => null,
        };
        return method is null ? null : new NativeFunction(name, method);
    }

    /// <summary>Adds the entries of a dictionary or of pairs, and the named arguments: <c>dict.update</c> and <c>dict(…)</c>.</summary>
    public static JinjaValue Update(RenderContext context, DictValue target, Arguments arguments)
    {
        if (arguments.Positional.Count > 1)
        {
            throw TemplateFault.Runtime($"update expected at most 1 argument, got {arguments.Positional.Count}");
        }

        if (arguments.Positional.Count == 1)
        {
            Update(context, target, arguments.Positional[0]);
        }

        foreach ((string name, JinjaValue value) in arguments.Named)
        {
            target.Entries[new StringValue(name)] = value;
        }

        return NoneValue.Instance;
    }

    private static DictValue Update(RenderContext context, DictValue target, JinjaValue source)
    {
        switch (source)
        {
            case UndefinedValue:
                break;
            case DictValue dict:
                context.Budget.Steps(dict.Entries.Count);
                foreach ((JinjaValue key, JinjaValue value) in dict.Entries.ToArray())
                {
                    target.Entries[key] = value;
                }

                break;
            default:
                foreach (JinjaValue pair in context.Iterate(source))
                {
                    IReadOnlyList<JinjaValue> parts = context.Iterate(pair);
                    if (parts.Count != 2)
                    {
                        throw TemplateFault.Runtime($"a dictionary is made of pairs, found {parts.Count} elements");
                    }

                    target.Entries[context.Keys.Hashable(parts[0])] = parts[1];
                }

                break;
        }

        return target;
    }

    private static DictView View(string typeName, DictValue self, Arguments arguments, Func<RenderContext, IReadOnlyList<JinjaValue>> elements)
    {
        arguments.Bind(typeName, 0);
        return new DictView(typeName, self, elements);
    }

    private static JinjaValue Get(RenderContext context, DictValue self, JinjaValue?[] bound) =>
        self.Entries.GetValueOrDefault(context.Keys.Hashable(bound[0]!)) ?? bound[1] ?? NoneValue.Instance;

    private static JinjaValue Pop(RenderContext context, DictValue self, JinjaValue?[] bound)
    {
        context.Budget.Steps(self.Entries.Count / 8);
        return self.Entries.Remove(context.Keys.Hashable(bound[0]!), out JinjaValue? value)
            ? value
            : bound[1] ?? throw TemplateFault.Runtime("pop(): the key is not in the dictionary");
    }

    private static TupleValue PopItem(DictValue self)
    {
        if (self.Entries.Count == 0)
        {
            throw TemplateFault.Runtime("popitem(): dictionary is empty");
        }

        (JinjaValue key, JinjaValue value) = self.Entries.GetAt(self.Entries.Count - 1);
        self.Entries.RemoveAt(self.Entries.Count - 1);
        return new TupleValue([key, value]);
    }

    private static JinjaValue SetDefault(RenderContext context, DictValue self, JinjaValue?[] bound)
    {
        JinjaValue key = context.Keys.Hashable(bound[0]!);
        if (!self.Entries.TryGetValue(key, out JinjaValue? value))
        {
            self.Entries[key] = value = bound[1] ?? NoneValue.Instance;
        }

        return value;
    }
}
