using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Models;

/// <summary>A model to measure, opened when its turn comes.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Open">Shape and weights, and what to dispose of once they are on the device.</param>
internal sealed record MeasuredModel(string Name, Func<(ModelConfig Config, ModelWeights Weights, IDisposable? Owner)> Open)
{
    /// <summary>
    /// Those that the options name. Random ones are files for the <c>cpu</c> device, whose memory peak is measured too, and made in memory
    /// for others.
    /// </summary>
    /// <exception cref="UsageException">An unknown shape or type.</exception>
    public static IEnumerable<MeasuredModel> All(ModelOptions options) =>
        options.Files is not [] ? options.Files.Select(FromFile)
        : options.Device == DeviceCatalog.Cpu ? ModelCatalog.Files(options.Cache, options.Shapes, options.Types).Select(FromFile)
        : options.Shapes.SelectMany(shape => options.Types.Select(type => InMemory(shape, type))).ToArray();

    private static MeasuredModel FromFile(string path) => new(Path.GetFileNameWithoutExtension(path), () =>
    {
        ModelFile file = ModelFile.Open(path);
        return (file.Config, file.Weights, file);
    });

    private static MeasuredModel InMemory(string shapeName, string typeName)
    {
        RandomModelShape shape = ModelCatalog.Shape(shapeName);
        var type = ModelCatalog.Type(typeName);
        return new MeasuredModel($"{shapeName} {type}", () =>
        {
            (ModelConfig config, ModelWeights weights) = RandomWeights.Llama(shape, type);
            return (config, weights, null);
        });
    }
}
