namespace ServingGrid.Client.Connections;

/// <summary>The secret that the processes of a grid share.</summary>
public static class ClusterSecret
{
    /// <summary>Environment variable that holds it: arguments are visible to every user of the machine.</summary>
    public const string Variable = "SERVINGGRID_CLUSTER_SECRET";

    /// <summary>Fewest characters of one.</summary>
    public const int MinLength = 16;

    /// <summary>One sentence when it is too short, else null; none at all ("") is the caller's choice.</summary>
    public static string? Validate(string secret) => secret.Length is 0 or >= MinLength
        ? null
        : $"{Variable} must have at least {MinLength} characters.";
}
