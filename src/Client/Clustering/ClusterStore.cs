namespace ServingGrid.Client.Clustering;

/// <summary>Where the members of a grid find each other.</summary>
public enum ClusterKind
{
    /// <summary>One process: silo, client and gateway in it.</summary>
    Local,

    /// <summary>Several processes on one machine, through an SQLite file.</summary>
    File,

    Redis,

    AzureTable,
}

/// <summary>A grid's membership store as operators write it: "local", "file:PATH", "redis:HOST:PORT", "azure-table:CONNECTION".</summary>
/// <param name="Kind">The kind of store.</param>
/// <param name="Connection">What follows the first colon.</param>
public sealed record ClusterStore(ClusterKind Kind, string Connection)
{
    /// <summary>One process.</summary>
    public static ClusterStore Local { get; } = new(ClusterKind.Local, "");

    /// <summary>Separates grids that share a store.</summary>
    public string ClusterId { get; init; } = "servinggrid";

    /// <summary>
    /// What silos and clients of the grid prove to each other on every connection before anything else; empty: none, which is for one
    /// machine that nobody else uses.
    /// </summary>
    public string Secret { get; init; } = "";

    /// <summary>For people: where the store is, without the secrets that a connection may hold.</summary>
    public string Display => Kind switch
    {
        ClusterKind.Local => "local",
        ClusterKind.File => $"file:{Connection}",
        ClusterKind.Redis => $"redis:{Connection.Split(',')[0]}",
        _ => Connection.StartsWith("http", StringComparison.OrdinalIgnoreCase) ? $"azure-table:{Connection.Split('?')[0]}" : "azure-table",
    };

    /// <summary><see cref="Display"/>: neither the secret nor those of a connection end up in a log.</summary>
    public override string ToString() => Display;

    /// <summary>Reads the operator's spelling.</summary>
    /// <returns>Null, with a sentence in <paramref name="error"/>, when it makes no sense.</returns>
    public static ClusterStore? TryParse(string text, out string error)
    {
        int colon = text.IndexOf(':');
        string kind = colon < 0 ? text : text[..colon];
        string connection = colon < 0 ? "" : text[(colon + 1)..];
        ClusterStore? options = kind switch
        {
            "local" when connection == "" => Local,
            "file" when connection != "" => new(ClusterKind.File, Path.GetFullPath(connection)),
            "redis" when connection != "" => new(ClusterKind.Redis, connection),
            "azure-table" when connection != "" => new(ClusterKind.AzureTable, connection),
            _ => null,
        };
        error = options is null ? $"'{text}' is not a cluster: local, file:PATH, redis:HOST:PORT and azure-table:CONNECTION are." : "";
        return options;
    }
}
