namespace ServingGrid.Client;

/// <summary>
/// One model of the grid, on a silo that serves it. Key: the model's name. What a client needs to speak text comes from here,
/// so that it needs no model file of its own.
/// </summary>
public interface IModelGrain : IGrainWithStringKey
{
    /// <exception cref="GridException"><see cref="GridError.Unavailable"/>: the model has left this silo.</exception>
    Task<ModelCard> GetCard();

    /// <summary>
    /// Bytes of the model file's header (metadata and tensor layout, no weights) from <paramref name="offset"/> on: at most
    /// <see cref="ModelHeader.PieceBytes"/>, since larger messages would delay the tokens beside them.
    /// </summary>
    Task<ModelHeaderPiece> GetHeaderPiece(long offset);
}

/// <summary>The models of the grid. One grain, with key <see cref="Key"/>.</summary>
public interface IModelCatalogGrain : IGrainWithStringKey
{
    /// <summary>Key of the only one.</summary>
    const string Key = "models";

    /// <summary>The models that at least one silo has reported recently, by name.</summary>
    /// <remarks>A catalog that starts anew waits for silos to announce their models, for two seconds at most.</remarks>
    Task<IReadOnlyList<ModelCard>> GetModels();

    /// <summary>The model of a name, or null when the grid does not have it.</summary>
    /// <exception cref="GridException"><see cref="GridError.Unavailable"/>: the catalog is so young that silos may not have reported to it yet.</exception>
    Task<ModelCard?> FindModel(string name);
}

/// <summary>A part of a model file's header.</summary>
[GenerateSerializer, Immutable]
public sealed record ModelHeaderPiece
{
    /// <summary>Fingerprint of the model that the bytes belong to.</summary>
    [Id(0)]
    public required string Fingerprint { get; init; }

    /// <summary>Length of the whole header in bytes.</summary>
    [Id(1)]
    public required long TotalBytes { get; init; }

    [Id(2)]
    public required byte[] Bytes { get; init; }
}
