using System.Diagnostics;
using ServingGrid.Model.Templates;

namespace ServingGrid.Model.Tests.Templates;

/// <summary>No template makes the process crash, hang or swell: each of these ends in a bound, soon.</summary>
public class TemplateBoundsTests
{
    // Far above what any of these takes (below a second), far below a hang.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    public static TheoryData<string> Greedy =>
    [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{{ range(10000000) }}",
        "{% set ns = namespace(r=range(9)) %}{% for i in range(100000) %}{% set ns.r = ns.r[::2000000000] %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s|replace('a', 'aa') %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(100) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}",
        "{% set ns = namespace(a=(1,)) %}{% for i in range(14) %}{% set ns.a = (ns.a, ns.a, ns.a, ns.a) %}{% endfor %}{{ {ns.a: 1} }}",
        "{% set l = [] %}{% do l.append(l) %}{{ l }}",
        "{% set l = [] %}{% do l.append(l) %}{{ l|tojson }}",
        "{% set ns = namespace(s=[]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s == [[]] or ns.s|string }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ caller() }}{% call m() %}x{% endcall %}{% endmacro %}{% call m() %}{% endcall %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%.1000000000f' % 1 }}",
        "{{ '{:>1000000000}'.format('a') }}",
        "{{ 'a'.center(1000000000) }}",
        "{{ 'a\nb'|indent(1000000000) }}",
        "{{ [[1]]|tojson(indent=1000000000) }}",
        "{{ [1]|batch(1000000000, 0)|list }}",
        "{{ [1]|slice(1000000000)|list }}",
        "{{ 10 ** 1000000 }}",
        "{% set ns = namespace(x=3) %}{% for i in range(100000) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
        "{% set a = 'a' * 1000000 %}{% set b = 'a' * 500000 + 'b' + 'a' * 499999 %}{% for i in range(1000) %}{{ b in a }}{% endfor %}",
        "{% set a = 'a' * 1000000 %}{% for i in range(1000) %}{% if a == a + '' %}{% endif %}{% endfor %}",
        "{% set a = 'a' * 1000000 %}{% for i in range(1000) %}{{ a.rfind('b' + 'a' * 100000) }}{% endfor %}",
        "{% set s = 'x' * 1000000 %}{% for i in range(100) %}{{ s }}{% endfor %}",
        "{{ ('x' * 1000000).join(range(1000)|map('string')) }}",
        "{{ ('x' * 60000000)[::-1] }}",
        "{{ ('x' * 60000000)|reverse }}",
        "{{ ('x' * 60000000)|replace('', '') }}",
        "{{ ('\n' * 60000000)|indent }}",
        "{{ ('\n' * 60000000).splitlines()|length }}",
        "{% set s = 'a' * 60000000 %}{% for i in range(100000) %}{% if s[:1] %}{% endif %}{% endfor %}",
        "{% set s = 'x' * 60000000 %}{% for i in range(100) %}{% if s|int %}{% endif %}{% endfor %}",
        "{% set s = 'x' * 60000000 %}{% for i in range(100) %}{% if s|float %}{% endif %}{% endfor %}",
        "{% set s = 'x' * 30000000 %}{% set t = 'x' * 30000000 %}{% for i in range(100) %}{% if s is sameas t %}{% endif %}{% endfor %}",
        "{% set s = 'x' * 60000000 %}{% for i in range(100) %}{% if s|center(1) %}{% endif %}{% endfor %}",
        "{% set s = 'x' * 60000000 %}{% for i in range(100) %}{% if 'a'|truncate(70000000, end=s) %}{% endif %}{% endfor %}",
        "{% set s = 'x' * 60000000 %}{% for i in range(100) %}{% if '%.1s' % s %}{% endif %}{% endfor %}",
        "{% set s = 'x' * 60000000 %}{% for i in range(100) %}{% if '{:.1}'.format(s) %}{% endif %}{% endfor %}",
        "{% set s = '\x01' * 20000000 %}{% set t = s|tojson %}",
        "{% set s = '\x01' * 40000000 %}{% set t = [s]|string %}",
        "{{ [1]|sort(attribute=',' * 100000000) }}",
        "{{ [1]|map(attribute='.' * 100000000)|list }}",
        "{% set d = {} %}{% for i in range(50000) %}{% do d.update({'k' ~ i: 1}) %}{% endfor %}{% do d.update(z=1) %}{{ ('{z}' * 1000000).format(**d) }}",
        "{% set l = range(100000)|list %}{% for i in range(1000) %}{{ l|sort|length }}{% endfor %}",
        "{% set l = range(100000)|list %}{% for i in l %}{% do l.insert(0, i) %}{{ l.index(99999) }}{% endfor %}",
    ];

    [Theory]
    [MemberData(nameof(Greedy))]
    public void Render_GreedyTemplate_EndsInABound(string source)
    {
        ChatTemplate template = ChatTemplate.Parse(source);
        var time = Stopwatch.StartNew();
        long before = GC.GetAllocatedBytesForCurrentThread();
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => template.Render(new ChatTemplateInput { Messages = [] }));
        Assert.Equal(ChatTemplateError.Bound, error.Error);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 3L << 30);
        Assert.InRange(time.Elapsed, TimeSpan.Zero, Soon);
    }

    /// <summary>What looks a long name up finds nothing, and does not copy the name to say so later.</summary>
    [Theory]
    [InlineData("1|attr(s)")]
    [InlineData("none[s]")]
    [InlineData("'a'[s]")]
    [InlineData("[1][s]")]
    public void Render_LongNameOfNothing_IsNotCopied(string expression)
    {
        ChatTemplate template = ChatTemplate.Parse($"{{% set s = 'x' * 60000000 %}}{{% for i in range(100) %}}{{% if {expression} %}}a{{% endif %}}{{% endfor %}}");
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal("", template.Render(new ChatTemplateInput { Messages = [] }));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1L << 30);
    }

    /// <summary>What a template was given at length is not said at length.</summary>
    [Theory]
    [InlineData("{{ raise_exception('x' * 1000000) }}", ChatTemplateError.Raised)]
    [InlineData("{{ 1[('x' * 1000000)].y }}", ChatTemplateError.Runtime)]
    [InlineData("{{ (1|attr('x' * 1000000)) + 1 }}", ChatTemplateError.Runtime)]
    [InlineData("{{ ('%(' + 'x' * 1000000 + ')s') % {} }}", ChatTemplateError.Runtime)]
    [InlineData("{{ [1]|map('x' * 1000000)|list }}", ChatTemplateError.Runtime)]
    public void Render_LongReason_IsCut(string source, ChatTemplateError kind)
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render(new ChatTemplateInput { Messages = [] }));
        Assert.Equal(kind, error.Error);
        Assert.InRange(error.Message.Length, 20, 2100);
        Assert.Contains("xxx", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> Nested => new()
    {
        { "{{ ", "(", "" },
        { "{{ ", "[", "" },
        { "{{ ", "{'a':", "" },
        { "{{ ", "-", "1 }}" },
        { "{{ ", "not ", "1 }}" },
        { "{{ ", "f(", "" },
        { "{{ ", "a[", "" },
        { "{{ ", "1 if a else ", "1 }}" },
        { "{% set ", "(", "a" },
        { "", "{% if a %}", "" },
        { "", "{% for a in b %}", "" },
        { "", "{% macro m() %}", "" },
        { "", "{% call m() %}", "" },
        { "", "{% with %}", "" },
        { "", "{% filter upper %}", "" },
        { "", "{% set a %}", "" },
    };

    [Theory]
    [MemberData(nameof(Nested))]
    public void Parse_DeepNesting_IsRefused(string head, string part, string tail)
    {
        string source = head + string.Concat(Enumerable.Repeat(part, 1_000_000 / part.Length / 2)) + tail;
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source));
        Assert.True(error.Error is ChatTemplateError.Bound or ChatTemplateError.Syntax, error.Message);
    }

    [Theory]
    [InlineData("1", " + 1")]
    [InlineData("1", " and 1")]
    [InlineData("'a'", "|upper")]
    [InlineData("x", ".y")]
    [InlineData("x", "[0]")]
    [InlineData("x", "()")]
    [InlineData("1", " if 1")]
    public void Render_LongChain_NeverOverflowsTheStack(string head, string link)
    {
        ChatTemplate template = ChatTemplate.Parse("{{ " + head + string.Concat(Enumerable.Repeat(link, 100_000)) + " }}");

        // A small stack, as a thread of the pool may have.
        Exception? error = null;
        var thread = new Thread(() => error = Record.Exception(() => template.Render(new ChatTemplateInput { Messages = [] })), 256 << 10);
        thread.Start();
        thread.Join();
        Assert.Equal(ChatTemplateError.Bound, Assert.IsType<ChatTemplateException>(error).Error);
    }

    [Fact]
    public void Parse_SourceTooLong_IsRefused() => Assert.Equal(
        ChatTemplateError.Bound, Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(new string('a', 2 << 20))).Error);

    [Fact]
    public void Render_LargeChat_IsWithinTheBounds()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% for m in messages %}{{ '<|' + m.role + '|>' + (m.content | trim) + '<|end|>\n' }}{% endfor %}");
        string text = string.Concat(Enumerable.Repeat("lorem ipsum ", 400_000));
        var input = new ChatTemplateInput
        {
            Messages = [.. Enumerable.Range(0, 3).Select(_ => new System.Text.Json.Nodes.JsonObject { ["role"] = "user", ["content"] = text })],
        };
        Assert.Equal(3 * (text.Trim().Length + "<|user|><|end|>\n".Length), template.Render(input).Length);
    }
}
