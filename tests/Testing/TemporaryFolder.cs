namespace ServingGrid.Testing;

/// <summary>A folder of its own for a test's files, deleted with them.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("servinggrid-").FullName;

    /// <summary>A path in the folder.</summary>
    public string Combine(string name) => System.IO.Path.Combine(Path, name);

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
