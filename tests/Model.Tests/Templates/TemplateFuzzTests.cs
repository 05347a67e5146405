using System.Diagnostics;
using System.Text.Json.Nodes;
using ServingGrid.Model.Templates;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Templates;

/// <summary>Random templates end in text or in <see cref="ChatTemplateException"/>, within the bounds, and always in the same way.</summary>
public class TemplateFuzzTests
{
    private const int Seeds = 8;
    private const int TemplatesPerSeed = 500;

    // One template's worst case is about a second; a seed's templates together take about that.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    public static TheoryData<int> SeedNumbers => [.. Enumerable.Range(0, Seeds)];

    [Theory]
    [MemberData(nameof(SeedNumbers))]
    public void Render_GrownTemplates_EndInTextOrError(int seed)
    {
        var generator = new TemplateGenerator(seed);
        int rendered = Run(Enumerable.Range(0, TemplatesPerSeed).Select(_ => generator.Grown()));
        Assert.InRange(rendered, TemplatesPerSeed / 50, TemplatesPerSeed); // enough of them are right to reach the evaluator's depths
    }

    [Theory]
    [MemberData(nameof(SeedNumbers))]
    public void Render_MutatedTemplates_EndInTextOrError(int seed)
    {
        var generator = new TemplateGenerator(seed);
        string[] sources = [.. GoldenFolder.Default.TemplateNames.Select(name => GoldenFolder.Default.Template(name).Source)];
        int rendered = Run(Enumerable.Range(0, TemplatesPerSeed).Select(i => generator.Mutated(sources[i % sources.Length])));
        Assert.InRange(rendered, TemplatesPerSeed / 50, TemplatesPerSeed);
    }

    private static int Run(IEnumerable<string> templates)
    {
        var time = Stopwatch.StartNew();
        int rendered = 0;
        foreach (string source in templates)
        {
            string? first = Outcome(source, out bool isText);
            Assert.Equal(first, Outcome(source, out _));
            rendered += isText ? 1 : 0;
            Assert.True(time.Elapsed < Soon, $"too slow at: {source}");
        }

        return rendered;
    }

    private static string Outcome(string source, out bool isText)
    {
        isText = false;
        try
        {
            string text = ChatTemplate.Parse(source).Render(new ChatTemplateInput
            {
                Messages = JsonNode.Parse("""[{"role": "user", "content": "Hi 🦊"}, {"role": "assistant", "content": [1, null, {"a": 2.5}]}]""")!.AsArray(),
                Tools = JsonNode.Parse("""[{"type": "function", "function": {"name": "f", "parameters": {}}}]""")!.AsArray(),
                BosToken = "<s>",
            });
            isText = true;
            return text;
        }
        catch (ChatTemplateException e)
        {
            Assert.InRange(e.Line, 1, source.Length + 1);
            return e.Message;
        }
    }
}
