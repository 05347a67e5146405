using System.Text.Json.Nodes;
using ServingGrid.Model.Templates;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Templates;

/// <summary>
/// Several hundred small templates against what Python's jinja2 3.1.6 makes of them (jinja-cases.json, written by
/// make-jinja-cases.py beside it), and what differs on purpose.
/// </summary>
public class JinjaSemanticsTests
{
    private static readonly JsonObject Cases = JsonNode.Parse(
        File.ReadAllText(RepositoryRoot.Combine("tests", "Model.Tests", "Templates", "jinja-cases.json")))!.AsObject();

    public static TheoryData<int> Numbers => [.. Enumerable.Range(0, Cases["cases"]!.AsArray().Count)];

    [Theory]
    [MemberData(nameof(Numbers))]
    public void Render_CaseOfTheTable_AsJinja2(int number)
    {
        JsonObject expected = Cases["cases"]![number]!.AsObject();
        string template = expected["template"]!.GetValue<string>();
        if (expected["text"] is { } text)
        {
            Assert.Equal(text.GetValue<string>(), Render(template));
            return;
        }

        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => Render(template));
        Assert.Equal(expected["error"]!.GetValue<string>(), error.Error.ToString());
        if (expected["message"] is { } message)
        {
            Assert.Equal(message.GetValue<string>(), error.Detail);
        }
    }

    [Theory]
    [InlineData("{% include 'x' %}", "include")]
    [InlineData("{% extends 'x' %}", "extends")]
    [InlineData("{% import 'x' as y %}", "import")]
    [InlineData("{% block a %}{% endblock %}", "block")]
    [InlineData("{{ x|xmlattr }}", "xmlattr")]
    [InlineData("{{ x is nothing }}", "nothing")]
    [InlineData("{% break %}", "break")]
    public void Parse_UnsupportedFeature_NamesItAndItsLine(string template, string name)
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("a\nb\n" + template));
        Assert.Equal((ChatTemplateError.Syntax, 3), (error.Error, error.Line));
        Assert.Contains($"'{name}'", error.Message);
    }

    [Fact]
    public void Render_ErrorInsideMacro_HasItsLine()
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(
            () => Render("{% macro m() %}\n\n{{ nope.x }}\n{% endmacro %}\n{{ m() }}"));
        Assert.Equal((3, "'nope' is undefined"), (error.Line, error.Detail));
    }

    [Fact]
    public void Render_SafeText_IsNotEscapedByItsNeighbours() => Assert.Equal("<a><b>", Render("{{ '<a>' + ('<b>'|safe) }}"));

    [Fact]
    public void Render_TemplateChangesMessages_InputStaysAsItWas()
    {
        var messages = new JsonArray(new JsonObject { ["role"] = "user" });
        ChatTemplate template = ChatTemplate.Parse("{% do messages[0].update({'role': 'x'}) %}{% do messages.append(1) %}{{ messages }}");
        var input = new ChatTemplateInput { Messages = messages };
        Assert.Equal("[{'role': 'x'}, 1]", template.Render(input));
        Assert.Equal("[{'role': 'x'}, 1]", template.Render(input));
        Assert.Equal("""[{"role":"user"}]""", messages.ToJsonString());
    }

    [Fact]
    public void Render_ObjectWithANameTwice_Fails()
    {
        var input = new ChatTemplateInput { Messages = JsonNode.Parse("""[{"a": 1, "a": 2}]""")!.AsArray() };
        Assert.Equal(ChatTemplateError.Runtime, Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("x").Render(input)).Error);
    }

    [Theory]
    [InlineData("""[{"content": "\ud83d"}]""")]
    [InlineData("""[{"\udc00": 1}]""")]
    public void Render_HalfOfASurrogatePairInJson_Fails(string messages)
    {
        var input = new ChatTemplateInput { Messages = JsonNode.Parse(messages)!.AsArray() };
        Assert.Equal(ChatTemplateError.Runtime, Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("x").Render(input)).Error);
    }

    [Fact]
    public void Render_NumbersOfEveryDotNetType_AsWritten()
    {
        var messages = new JsonArray(2.5f, 1.25m, 0.1, 7L, (byte)3, 18446744073709551615UL, -1e300, float.NaN, double.PositiveInfinity);
        Assert.Equal("[2.5, 1.25, 0.1, 7, 3, 18446744073709551615, -1e+300, nan, inf]", ChatTemplate.Parse("{{ messages }}").Render(new ChatTemplateInput { Messages = messages }));
    }

    [Fact]
    public void Render_RoundToMoreDigitsThanThereAre_IsZero() => Assert.Equal("0 0", Render("{{ 15|round(-2147483648) }} {{ 15|round(-99999999999) }}"));

    [Fact]
    public void Render_NoTools_ToolsAreUndefined()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ tools is defined }}");
        Assert.Equal("False", template.Render(new ChatTemplateInput { Messages = [] }));
        Assert.Equal("True", template.Render(new ChatTemplateInput { Messages = [], Tools = [] }));
    }

    [Fact]
    public void Render_FromManyThreads_SameText()
    {
        ChatTemplate template = ChatTemplate.Parse("{% macro m(x) %}{{ loop }}{{ x }}{% endmacro %}{% for x in range(50) %}{{ m(x) }}{% endfor %}");
        string expected = template.Render(new ChatTemplateInput { Messages = [] });
        Parallel.For(0, 64, _ => Assert.Equal(expected, template.Render(new ChatTemplateInput { Messages = [] })));
    }

    private static string Render(string template)
    {
        JsonObject variables = Cases["variables"]!.DeepClone().AsObject();
        JsonArray messages = variables["messages"]!.AsArray();
        variables.Remove("messages");
        return ChatTemplate.Parse(template).Render(new ChatTemplateInput
        {
            Messages = messages,
            Variables = variables,
            Now = new DateTimeOffset(2026, 1, 15, 10, 30, 0, TimeSpan.Zero),
        });
    }
}
