namespace ServingGrid.Model.Tests.Templates;

/// <summary>Random templates: syntactically right ones from a grammar, and broken ones made by cutting up given templates.</summary>
internal sealed class TemplateGenerator(int seed)
{
    private static readonly string[] Atoms =
    [
        "messages", "tools", "x", "y", "nope", "m", "loop", "caller", "ns", "true", "none", "0", "1", "-3", "-2147483648", "9999999999", "2.5", "1e300", "99999999999999999999",
        "'a'", "''", "'B c'", "'🦊é'", "'%s%d'", "'%.*s%*c'", "'%.*f'", "'{} {x}'", "messages[0].content", "namespace(v=1)", "range(5)", "[1, 'a']", "{'k': 1}", "(1, 2)",
    ];

    private static readonly string[] Operators =
        ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or"];

    private static readonly string[] Filters =
    [
        "length", "trim", "upper", "title", "string", "list", "first", "last", "join(',')", "tojson", "tojson(indent=2)", "sort", "reverse", "unique",
        "int", "float", "abs", "round(2)", "default('d', true)", "items", "dictsort", "map('string')", "map(attribute='role')", "select('odd')",
        "selectattr('role', 'equalto', 'user')", "min", "max", "sum", "replace('a', 'bb')", "indent", "batch(2, 0)", "slice(3)", "groupby('role')",
        "truncate(3)", "center(9)", "format(1, 2)", "wordcount", "urlencode", "e", "safe", "attr('x')", "nope",
    ];

    private static readonly string[] Suffixes =
    [
        ".role", ".x", "[0]", "[-1]", "['k']", "[1:]", "[::-1]", "[::2]", "()", "(1, k=2)", ".items()", ".split('a')", ".strip()", ".get('k', 1)",
        ".append(1)", ".pop()", ".update(a=1)", ".format(1, x=2)", ".replace('', 'a')", ".join(['a'])", ".find('a', 1)", ".index('z')", ".zfill(9)",
        " is defined", " is not string", " is in [1]", " is divisibleby 2", " is eq 1",
    ];

    private readonly Random _random = new(seed);

    /// <summary>A template from the grammar.</summary>
    public string Grown() => Body(4);

    /// <summary>A template with some pieces deleted, doubled, exchanged or replaced.</summary>
    public string Mutated(string template)
    {
        string text = template;
        for (int i = _random.Next(1, 6); i > 0 && text.Length > 0; i--)
        {
            int start = _random.Next(text.Length);
            int length = Math.Min(_random.Next(1, _random.Next(2) == 0 ? 4 : 200), text.Length - start);
            string piece = text.Substring(start, length);
            int elsewhere = _random.Next(text.Length);
            text = _random.Next(6) switch
            {
                0 => text.Remove(start, length),
                1 => text.Insert(elsewhere, piece),
                2 => text.Remove(start, length).Insert(start, Expression(2)),
                3 => text.Insert(start, Pick("{%", "%}", "{{", "}}", "{#", "-", "'", "(", "]", "{% endif %}", "{% for x in messages %}", "\\", "|", "\0", "\ud800")),
                4 => text.Insert(start, Statement(1)),
                _ => text[..start],
            };
        }

        return text;
    }

    private string Expression(int depth) => depth <= 0 ? Pick(Atoms) : _random.Next(9) switch
    {
        0 or 1 => Pick(Atoms),
        2 or 3 => $"({Expression(depth - 1)} {Pick(Operators)} {Expression(depth - 1)})",
        4 => $"{Expression(depth - 1)}|{Pick(Filters)}",
        5 or 6 => $"({Expression(depth - 1)}{Pick(Suffixes)})",
        7 => $"({Expression(depth - 1)} if {Expression(depth - 1)} else {Expression(depth - 1)})",
        _ => $"[{Expression(depth - 1)}, not {Expression(depth - 1)}]",
    };

    private string Body(int depth) =>
        string.Concat(Enumerable.Range(0, _random.Next(1, 4)).Select(_ => Pick("", "\n", "text ", "  \n ") + Statement(depth)));

    private string Statement(int depth) => depth <= 0 ? $"{{{{ {Expression(2)} }}}}" : _random.Next(12) switch
    {
        0 or 1 => $"{{{{- {Expression(3)} -}}}}",
        2 => $"{{% if {Expression(2)} %}}{Body(depth - 1)}{{% elif {Expression(1)} %}}{Body(depth - 1)}{{% else %}}{Body(depth - 1)}{{% endif %}}",
        3 => $"{{% for x in {Expression(2)} %}}{Body(depth - 1)}{Pick("", "{% break %}", "{% continue %}")}{{% else %}}{Body(depth - 1)}{{% endfor %}}",
        4 => $"{{% for x, y in {Expression(1)} if {Expression(1)} recursive %}}{Body(depth - 1)}{{{{ loop({Expression(1)}) }}}}{{% endfor %}}",
        5 => $"{{% set x = {Expression(3)} %}}",
        6 => $"{{% set y %}}{Body(depth - 1)}{{% endset %}}",
        7 => $"{{% set ns = namespace(v=[]) %}}{{% set ns.v = {Expression(2)} %}}{{% do {Expression(2)} %}}",
        8 => $"{{% macro m(x, y={Expression(1)}) %}}{Body(depth - 1)}{{% endmacro %}}{{{{ m({Expression(1)}) }}}}",
        9 => $"{{% call m({Expression(1)}) %}}{Body(depth - 1)}{{% endcall %}}",
        10 => $"{{% filter {Pick(Filters)} %}}{Body(depth - 1)}{{% endfilter %}}",
        _ => $"{{% with x = {Expression(2)} %}}{Body(depth - 1)}{{% endwith %}}",
    };

    private string Pick(params string[] choices) => choices[_random.Next(choices.Length)];
}
