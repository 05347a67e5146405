using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Models;

/// <summary>
/// The models that this process has spoken to: each header is fetched once and kept until the grid says that it has another. Now and then the grid is asked
/// whether it still serves the model as it did: its silos may have been started anew with another context. Thread-safe.
/// </summary>
internal sealed class ModelTextCache(IGrainFactory grains, GridClientOptions options, TimeProvider time, ILogger log, Lazy<ILocalModel>? local = null)
{
    /// <summary>What is known of a model is taken as it is for so long.</summary>
    public static readonly TimeSpan CheckPeriod = TimeSpan.FromSeconds(5);

    // A grid that does not answer is no reason to hold up a request that has its own deadlines.
    private static readonly TimeSpan CheckPatience = TimeSpan.FromMilliseconds(250);

    private readonly ConcurrentDictionary<string, Entry> _models = new(StringComparer.Ordinal);

    /// <param name="model">Its name.</param>
    /// <param name="cancellation">The caller's end; the fetch goes on for others.</param>
    /// <param name="fingerprint">Of the file that the caller has to do with, if it knows: what is kept here may be older.</param>
    /// <exception cref="GridException"><see cref="GridError.ModelNotFound"/>, or <see cref="GridError.Unavailable"/> after the deadline.</exception>
    public async Task<ModelText> Get(string model, CancellationToken cancellation, string? fingerprint = null)
    {
        Entry entry = Find(model);
        if (entry.IsOtherThan(fingerprint) || entry.TakeCheck(time))
        {
            entry = await Check(model, entry, cancellation);
        }

        return await entry.Text.Value.WaitAsync(cancellation);
    }

    /// <summary>The grid serves another file under this name now: the next request fetches its header.</summary>
    /// <param name="stale">What the grid has refused; a newer one stays.</param>
    public void Forget(ModelCard stale)
    {
        if (_models.TryGetValue(stale.Name, out Entry? entry) && entry.IsThere && entry.Text.Value.Result.Card.Fingerprint == stale.Fingerprint)
        {
            _models.TryRemove(new(stale.Name, entry));
        }
    }

    private Entry Find(string model) => _models.GetOrAdd(model, name => new Entry(new(() => Task.Run(() => Fetch(name))), time.GetTimestamp()));

    /// <summary>What is to be used after the grid was asked: the same, the same with another card, or what is to be fetched.</summary>
    private async Task<Entry> Check(string model, Entry entry, CancellationToken cancellation)
    {
        GgufModelText text = entry.Text.Value.Result;
        ModelCard now = await ReadCard(text.Card, cancellation);
        if (now.Fingerprint != text.Card.Fingerprint || now.ContextLength != text.Card.ContextLength)
        {
            _models.TryRemove(new(model, entry));
            return Find(model);
        }

        if ((now.Numerics ?? []).SequenceEqual(text.Card.Numerics ?? []))
        {
            return entry;
        }

        // Devices of another class have joined or left: no reason to fetch a header.
        GgufModelText updated = text.With(text.Card with { Numerics = now.Numerics });
        var renewed = new Entry(new(Task.FromResult(updated)), time.GetTimestamp());
        _models.TryUpdate(model, renewed, entry);
        return renewed;
    }

    /// <summary>What the grid says of the model now; what is known when it does not say.</summary>
    private async Task<ModelCard> ReadCard(ModelCard known, CancellationToken cancellation)
    {
        try
        {
            return await grains.GetGrain<IModelGrain>(known.Name).GetCard().WaitAsync(CheckPatience, time, cancellation);
        }
        catch (Exception failure) when (failure is GridException || RequestFailures.IsTransient(failure, resuming: false))
        {
            cancellation.ThrowIfCancellationRequested();
            log.ModelNotChecked(known.Name, failure.Message);
            return known;
        }
    }

    private async Task<GgufModelText> Fetch(string model)
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

    private async Task<GgufModelText> FetchOnce(string model)
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
            return GgufModelText.Of(own, card, time);
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

    /// <summary>A model that is fetched or was; <paramref name="checkedAt"/> is a timestamp.</summary>
    private sealed class Entry(Lazy<Task<GgufModelText>> text, long checkedAt)
    {
        private long _checkedAt = checkedAt;

        public Lazy<Task<GgufModelText>> Text { get; } = text;

        public bool IsThere => Text.Value.IsCompletedSuccessfully;

        /// <summary>True when the file that is kept is not this one.</summary>
        public bool IsOtherThan(string? fingerprint) => fingerprint is not null && IsThere && Text.Value.Result.Card.Fingerprint != fingerprint;

        /// <summary>True for one caller in each <see cref="CheckPeriod"/>, once the model is there.</summary>
        public bool TakeCheck(TimeProvider time)
        {
            long last = Volatile.Read(ref _checkedAt);
            return IsThere && time.GetElapsedTime(last) >= CheckPeriod && Interlocked.CompareExchange(ref _checkedAt, time.GetTimestamp(), last) == last;
        }
    }
}
