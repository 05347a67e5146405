using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Models;

/// <summary>The models that this process has spoken to: each header is fetched once and kept. Thread-safe.</summary>
internal sealed class ModelTextCache(IGrainFactory grains, GridClientOptions options, TimeProvider time, ILogger log)
{
    private readonly ConcurrentDictionary<string, Lazy<Task<ModelText>>> _models = new(StringComparer.Ordinal);

    /// <exception cref="GridException"><see cref="GridError.ModelNotFound"/>, or <see cref="GridError.Unavailable"/> after the deadline.</exception>
    public async Task<ModelText> Get(string model, CancellationToken cancellation)
    {
        Lazy<Task<ModelText>> entry = _models.GetOrAdd(model, name => new(() => Task.Run(() => Fetch(name))));
        try
        {
            return await entry.Value.WaitAsync(cancellation);
        }
        catch when (entry.Value.IsFaulted || entry.Value.IsCanceled)
        {
            // A failure is not kept: the next request asks again.
            _models.TryRemove(new(model, entry));
            throw;
        }
    }

    private async Task<ModelText> Fetch(string model)
    {
        long start = time.GetTimestamp();
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

    private async Task<ModelText> FetchOnce(string model)
    {
        // The catalog first: a name that someone made up must not activate a grain of its own, nor wait for a silo.
        if (await grains.GetGrain<IModelCatalogGrain>(IModelCatalogGrain.Key).FindModel(model) is null)
        {
            throw new GridException(GridError.ModelNotFound, $"The model '{model}' does not exist.");
        }

        IModelGrain grain = grains.GetGrain<IModelGrain>(model);
        ModelCard card = await grain.GetCard();
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
