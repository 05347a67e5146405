namespace ServingGrid.Testing;

/// <summary>Model files that tests run on: the bundled one always, others where they are to be had.</summary>
public static class ModelFiles
{
    /// <summary>File name of the real 135M model.</summary>
    public const string SmolLM2Name = "SmolLM2-135M-Instruct.Q4_1.gguf";

    /// <summary>The model that ships with the product.</summary>
    public static string Bundled { get; } = RepositoryRoot.Combine("models", "grid-tiny.gguf");

    /// <summary>The 135M model, or null where it is absent: skip with <see cref="SmolLM2Absent"/>.</summary>
    public static string? SmolLM2 => Find(SmolLM2Name);

    /// <summary>Reason to skip a test that needs <see cref="SmolLM2"/>.</summary>
    public static string SmolLM2Absent => Absent(SmolLM2Name);

    /// <summary>Folder of further models: SERVINGGRID_MODELS, by default ../shared/models, relative to the repository's root. May not exist.</summary>
    public static string Folder =>
        Environment.GetEnvironmentVariable("SERVINGGRID_MODELS") is { Length: > 0 } folder ? RepositoryRoot.Combine(folder) : RepositoryRoot.Combine("..", "shared", "models");

    /// <summary>A model file by name, in <see cref="Folder"/> or among the bundled ones, or null.</summary>
    public static string? Find(string name)
    {
        string[] candidates = [Path.Combine(Folder, name), RepositoryRoot.Combine("models", name)];
        return Array.Find(candidates, File.Exists);
    }

    /// <summary>Reason to skip a test that needs the model file <paramref name="name"/>.</summary>
    public static string Absent(string name) => $"{name} is not in {Folder} (set SERVINGGRID_MODELS)";
}
