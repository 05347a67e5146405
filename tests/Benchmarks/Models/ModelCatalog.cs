using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Models;

/// <summary>Models with random weights, made when first asked for and kept: random weights cost as much to compute with as real ones.</summary>
internal static class ModelCatalog
{
    private const ulong Seed = 21;

    public const string DefaultTypes = "F16,Q8_0,Q4_0,Q4_1,Q4_K,Q6_K";

    private static readonly Dictionary<string, RandomModelShape> Shapes = new()
    {
        ["135m"] = RandomModelShape.SmolLM2,
        ["1.1b"] = RandomModelShape.TinyLlama,
        ["8b"] = RandomModelShape.Llama8B,
        ["tiny"] = RandomModelShape.Small,
    };

    /// <summary>Where the files are kept unless <c>--cache</c> says otherwise.</summary>
    public static string DefaultFolder => Path.Combine(Path.GetTempPath(), "servinggrid-benchmark-models");

    /// <summary>The files of every asked shape and type, in that order.</summary>
    /// <exception cref="UsageException">An unknown shape or type.</exception>
    public static IEnumerable<string> Files(string folder, IReadOnlyList<string> shapes, IReadOnlyList<string> types) =>
        [.. shapes.SelectMany(shape => types.Select(type => File(folder, shape, type)))];

    /// <exception cref="UsageException">There is none of that name.</exception>
    public static RandomModelShape Shape(string name) =>
        Shapes.TryGetValue(name, out RandomModelShape? shape)
            ? shape
            : throw new UsageException($"There is no shape '{name}': {string.Join(", ", Shapes.Keys)} are.");

    /// <exception cref="UsageException">There is none of that name.</exception>
    public static GgmlType Type(string name) =>
        Enum.TryParse(name, ignoreCase: true, out GgmlType type) && Enum.IsDefined(type)
            ? type
            : throw new UsageException($"There is no tensor type '{name}'.");

    private static string File(string folder, string shapeName, string typeName)
    {
        RandomModelShape shape = Shape(shapeName);
        GgmlType type = Type(typeName);
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, $"random-{shapeName}-{type}-{Seed}-text.gguf");
        if (!System.IO.File.Exists(path))
        {
            // Under another name first, so that a run that is broken off leaves nothing that looks like a model.
            string unfinished = path + ".unfinished";
            RandomModel.Write(unfinished, new RandomModelOptions { Shape = shape, GgmlType = type, Seed = Seed, SaysPlainText = true });
            System.IO.File.Move(unfinished, path, overwrite: true);
        }

        return path;
    }
}
