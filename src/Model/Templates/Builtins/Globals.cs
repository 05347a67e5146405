using System.Numerics;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>The functions that every template can call.</summary>
internal static class Globals
{
    /// <summary>Shared by all renderings and never written to: they set variables in scopes of their own.</summary>
    public static Scope Scope { get; } = Create();

    private static Scope Create()
    {
        var scope = new Scope(null);
        Add("range", Range);
        Add("dict", (context, arguments) => NewDict(context, arguments));
        Add("namespace", (context, arguments) => new NamespaceValue(NewDict(context, arguments)));
        Add("joiner", (_, arguments) => new JoinerValue(arguments.Bind("joiner", 0, "sep")[0] ?? new StringValue(", ")));
        Add("cycler", (_, arguments) => arguments.Positional.Count > 0
            ? new CyclerValue(arguments.Positional)
            : throw TemplateFault.Runtime("at least one item has to be provided"));
        Add("raise_exception", (context, arguments) =>
            throw new TemplateFault(ChatTemplateError.Raised, context.Text(arguments.Bind("raise_exception", 1, "message")[0]!)));
        Add("strftime_now", StrftimeNow);
        return scope;

        void Add(string name, Func<RenderContext, Arguments, JinjaValue> body) => scope.Set(name, new NativeFunction(name, body));
    }

    private static DictValue NewDict(RenderContext context, Arguments arguments)
    {
        var dict = new DictValue(context);
        DictMethods.Update(context, dict, arguments);
        return dict;
    }

    private static StringValue StrftimeNow(RenderContext context, Arguments arguments)
    {
        string format = StringMethods.Text(arguments.Bind("strftime_now", 1, "format")[0]!);
        context.Budget.Characters(format.Length * 16L);
        return new StringValue(TimeFormat.Format(context.Now, format));
    }

    private static RangeValue Range(RenderContext context, Arguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("range", 1, "start", "stop", "step");
        BigInteger first = Integer(bound[0]!);
        BigInteger start = bound[1] is null ? 0 : first;
        BigInteger stop = bound[1] is null ? first : Integer(bound[1]!);
        BigInteger step = bound[2] is null ? 1 : Integer(bound[2]!);
        if (step.IsZero)
        {
            throw TemplateFault.Runtime("range() arg 3 must not be zero");
        }

        BigInteger length = BigInteger.Max(0, (stop - start + step - step.Sign) / step);
        if (length > TemplateLimits.RangeLength)
        {
            throw TemplateFault.Bound($"a range of more than {TemplateLimits.RangeLength} elements");
        }

        context.Budget.Steps((long)length);
        var items = new JinjaValue[(int)length];
        for (int i = 0; i < items.Length; i++)
        {
            items[i] = IntValue.Of(start + (step * i));
        }

        return new RangeValue(IntValue.Of(start), IntValue.Of(stop), IntValue.Of(step), items);
    }

    private static BigInteger Integer(JinjaValue value) => Numbers.Integer(value)
        ?? throw TemplateFault.Runtime($"'{value.TypeName}' object cannot be interpreted as an integer");
}
