namespace ServingGrid.Client.Hosting;

/// <summary>A grid that may not be there yet: until it is, every call fails at once and says why. Thread-safe.</summary>
internal sealed class ConnectingGridClient(GridConnection connection) : IGridClient
{
    public async Task<IReadOnlyList<ModelCard>> GetModelsAsync(CancellationToken cancellation = default) =>
        await connection.Client.GetModelsAsync(cancellation);

    public async Task<ModelText> GetModelTextAsync(string model, CancellationToken cancellation = default) =>
        await connection.Client.GetModelTextAsync(model, cancellation);

    public async Task<GridHealth> GetHealthAsync(CancellationToken cancellation = default) =>
        await connection.Client.GetHealthAsync(cancellation);

    public async Task<GridStatus> GetStatusAsync(CancellationToken cancellation = default) =>
        await connection.Client.GetStatusAsync(cancellation);

    public IAsyncEnumerable<TextUpdate> GenerateAsync(GenerateRequest request, CancellationToken cancellation = default) =>
        connection.Client.GenerateAsync(request, cancellation);
}
