using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Models;

/// <summary>Writes the random models and prints their paths, so that other programs can be measured on the same files.</summary>
internal static class MakeModels
{
    public static Task<int> RunAsync(string[] args)
    {
        var arguments = new Arguments(args, "--shapes", "--types", "--cache");
        foreach (string file in ModelCatalog.Files(
            arguments.Text("--cache") ?? ModelCatalog.DefaultFolder, arguments.Texts("--shapes", "135m,1.1b"), arguments.Texts("--types", ModelCatalog.DefaultTypes)))
        {
            Console.WriteLine(file);
        }

        return Task.FromResult(0);
    }
}
