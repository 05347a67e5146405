namespace ServingGrid.Client;

/// <summary>A model that the grid serves.</summary>
[GenerateSerializer, Immutable]
public sealed record ModelCard
{
    [Id(0)]
    public required string Name { get; init; }

    /// <summary>SHA-256 over the model's header and tensors' layout, in hexadecimal: equal files, equal fingerprints.</summary>
    [Id(1)]
    public required string Fingerprint { get; init; }

    /// <summary>Longest context that its silos serve, in tokens.</summary>
    [Id(2)]
    public required int ContextLength { get; init; }

    [Id(3)]
    public required int VocabularySize { get; init; }

    /// <summary>Slots of a KV block.</summary>
    [Id(4)]
    public required int BlockSize { get; init; }

    [Id(5)]
    public required DateTimeOffset Created { get; init; }

    /// <summary>
    /// Classes of arithmetic of the devices that serve it, those of most devices first: the same request yields the same tokens within
    /// each. Null where a card says nothing of devices, as in lists of models.
    /// </summary>
    [Id(6)]
    public IReadOnlyList<string>? Numerics { get; init; }
}
