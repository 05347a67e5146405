using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Models;

/// <summary>The models that this process has spoken to: each header is fetched once and kept until the grid says that it has another. Thread-safe.</summary>
internal sealed class ModelTextCache(IGrainFactory grains, GridClientOptions options, TimeProvider time, ILogger log, Lazy<ILocalModel>? local = null)
{
    private readonly ConcurrentDictionary<string, Lazy<Task<ModelText>>> _models = new(StringComparer.Ordinal);

    /// <exception cref="GridException"><see cref="GridError.ModelNotFound"/>, or <see cref="GridError.Unavailable"/> after the deadline.</exception>
    public Task<ModelText> Get(string model, CancellationToken cancellation) =>
        _models.GetOrAdd(model, name => new(() => Task.Run(() => Fetch(name)))).Value.WaitAsync(cancellation);

    /// <summary>The grid serves another file under this name now: the next request fetches its header.</summary>
    /// <param name="stale">What the grid has refused; a newer one stays.</param>
    public void Forget(ModelCard stale)
    {
        if (_models.TryGetValue(stale.Name, out Lazy<Task<ModelText>>? entry) && entry.Value.IsCompletedSuccessfully && entry.Value.Result.Card.Fingerprint == stale.Fingerprint)
        {
            _models.TryRemove(new(stale.Name, entry));
        }
    }

    private async Task<ModelText> Fetch(string model)
    {
        long start = time.GetTimestamp();
        try
        {
            for (int attempt = 1; ; attempt++)
            {
                try
                {
                    return await FetchOnce(model).WaitAsync(options.ModelTimeout, time);
                }
                catch (Exception exception) when (RequestFailures.IsTransient(exception, resuming: false))
                {
                    if (time.GetElapsedTime(start) >= options.ModelTimeout)
                    {
                        throw new GridException(GridError.Unavailable, $"The grid does not answer for model {model}: {exception.Message}", exception);
                    }

                    await Task.Delay(RequestFailures.Backoff(attempt, Random.Shared), time);
                }
            }
        }
        catch
        {
            // A failure is not kept, whether or not somebody still waits for it: the next request asks again, and names that
            // somebody made up do not add up.
            _models.TryRemove(model, out _);
            throw;
        }
    }

    private async Task<ModelText> FetchOnce(string model)
    {
        // The catalog first: a name that someone made up must not activate a grain of its own, nor wait for a silo.
        if (await grains.GetGrain<IModelCatalogGrain>(IModelCatalogGrain.Key).FindModel(model) is null)
        {
            throw new GridException(GridError.ModelNotFound, $"The model '{model}' does not exist.");
        }

        IModelGrain grain = grains.GetGrain<IModelGrain>(model);
        ModelCard card = await grain.GetCard();
        if (local?.Value is { } own && own.Card.Name == model && own.Card.Fingerprint == card.Fingerprint)
        {
            return GgufModelText.Of(own, time);
        }

        byte[]? header = null;
        long filled = 0;
        while (header is null || filled < header.LongLength)
        {
            ModelHeaderPiece piece = await grain.GetHeaderPiece(filled);
            if (piece.Fingerprint != card.Fingerprint || (header is not null && header.LongLength != piece.TotalBytes))
            {
                throw new GridException(GridError.Unavailable, $"Model {card.Name} changed while its header was fetched.");
            }

            if (piece.TotalBytes is <= 0 or > ModelHeader.MaxBytes || piece.Bytes.Length is 0 || piece.Bytes.Length > piece.TotalBytes - filled)
            {
                throw new GridException(GridError.Internal, $"Model {card.Name}: a header piece of {piece.Bytes.Length} bytes at {filled} of {piece.TotalBytes} makes no sense.");
            }

            header ??= new byte[piece.TotalBytes];
            piece.Bytes.CopyTo(header, filled);
            filled += piece.Bytes.Length;
        }

        log.ModelFetched(card.Name, header.LongLength);
        return GgufModelText.Parse(card, header, time);
    }
}
