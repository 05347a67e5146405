using System.Text.Json;

namespace ServingGrid.Testing;

/// <summary>
/// Reference outputs in the layout of <c>tests/Golden/README.md</c>: logits/, logits-exact/, tokens/, templates/, models/ and
/// vocabs/, each of which may be absent. Tests enumerate what a folder holds, so that any folder of this layout runs the same tests.
/// </summary>
public sealed class GoldenFolder(string path)
{
    /// <summary>
    /// SERVINGGRID_GOLDEN if it is set, else ../shared/golden beside the repository if it is there, else the choice that the
    /// repository brings along.
    /// </summary>
    public static GoldenFolder Default { get; } = new(Locate());

    /// <summary>The choice that the repository brings along: our own random models and the bundled model.</summary>
    public static GoldenFolder Repository { get; } = new(RepositoryRoot.Combine("tests", "Golden"));

    public string Path { get; } = path;

    /// <summary>Names in logits/: llama.cpp's own runs.</summary>
    public IReadOnlyList<string> LogitsNames => Names("logits", "*.json");

    /// <summary>Names in logits-exact/: runs with the quantised weights dequantised to F32 first.</summary>
    public IReadOnlyList<string> ExactLogitsNames => Names("logits-exact", "*.json");

    /// <summary>Names in tokens/, without the strings themselves.</summary>
    public IReadOnlyList<string> TokensNames => [.. Names("tokens", "*.json").Where(name => name != "strings")];

    /// <summary>Names in templates/.</summary>
    public IReadOnlyList<string> TemplateNames => Names("templates", "*.jinja");

    /// <summary>Names of the model files in models/, without extension.</summary>
    public IReadOnlyList<string> ModelNames => Names("models", "*.gguf");

    public GoldenLogits Logits(string name) => Read<GoldenLogits>("logits", name + ".json");

    public GoldenLogits ExactLogits(string name) => Read<GoldenLogits>("logits-exact", name + ".json");

    public GoldenTokens Tokens(string name) => Read<GoldenTokens>("tokens", name + ".json");

    /// <summary>The strings that <see cref="Tokens"/> are the ids of.</summary>
    public IReadOnlyList<GoldenString> Strings() => Read<GoldenString[]>("tokens", "strings.json");

    public GoldenTemplate Template(string name) => new(
        name,
        File.ReadAllText(Combine("templates", name + ".jinja")),
        Read<Dictionary<string, GoldenRendering>>("templates", name + ".json"));

    public GoldenChats Chats() => Read<GoldenChats>("templates", "chats.json");

    /// <summary>A model file by the field <c>model</c>: in models/ here, then where <see cref="ModelFiles.Find"/> looks; or null.</summary>
    public string? FindModel(string fileName)
    {
        string here = Combine("models", fileName);
        return File.Exists(here) ? here : ModelFiles.Find(fileName);
    }

    /// <summary>The vocabulary of <see cref="Tokens"/>: a file of that name in vocabs/ here, or a model file; or null.</summary>
    public string? FindVocabulary(string name)
    {
        string here = Combine("vocabs", name + ".gguf");
        return File.Exists(here) ? here : FindModel(name + ".gguf");
    }

    private static string Locate()
    {
        // Relative to the repository's root: where tests are started from differs between runners.
        if (Environment.GetEnvironmentVariable("SERVINGGRID_GOLDEN") is { Length: > 0 } variable)
        {
            string folder = RepositoryRoot.Combine(variable);
            return Directory.Exists(folder) ? folder : throw new DirectoryNotFoundException($"SERVINGGRID_GOLDEN names {folder}, which does not exist");
        }

        string shared = RepositoryRoot.Combine("..", "shared", "golden");
        return Directory.Exists(shared) ? shared : RepositoryRoot.Combine("tests", "Golden");
    }

    private IReadOnlyList<string> Names(string folder, string pattern) =>
        Directory.Exists(Combine(folder))
            ? [.. Directory.EnumerateFiles(Combine(folder), pattern).Select(file => System.IO.Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal)]
            : [];

    private T Read<T>(params ReadOnlySpan<string> parts)
    {
        string file = Combine(parts);
        using FileStream stream = File.OpenRead(file);
        return JsonSerializer.Deserialize<T>(stream) ?? throw new InvalidDataException($"{file} holds null");
    }

    private string Combine(params ReadOnlySpan<string> parts) => System.IO.Path.Combine([Path, .. parts]);
}
