namespace ServingGrid.Client;

/// <summary>Limits of the transfer of a model file's header from the grid to its clients.</summary>
public static class ModelHeader
{
    /// <summary>Most bytes of one piece.</summary>
    public const int PieceBytes = 256 * 1024;

    /// <summary>Largest header that a client accepts: vocabularies of 256k tokens take about 20 MB.</summary>
    public const int MaxBytes = 256 * 1024 * 1024;
}
