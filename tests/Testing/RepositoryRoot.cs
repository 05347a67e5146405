namespace ServingGrid.Testing;

/// <summary>Where the repository lies, seen from a test's output folder.</summary>
public static class RepositoryRoot
{
    private const string Marker = "Orleans.sln";

    /// <summary>The folder of the solution file.</summary>
    public static string Path { get; } = Find(AppContext.BaseDirectory);

    /// <summary>A path inside the repository (or beside it, through "..").</summary>
    public static string Combine(params ReadOnlySpan<string> parts) => System.IO.Path.GetFullPath(System.IO.Path.Combine([Path, .. parts]));

    private static string Find(string start)
    {
        for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, Marker)))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"no folder above {start} holds {Marker}");
    }
}
