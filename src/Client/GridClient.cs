using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using ServingGrid.Client.Models;
using ServingGrid.Client.Placement;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client;

/// <summary>
/// The grid behind an Orleans client, external or that of an embedded silo. Text becomes tokens and block hashes here; the
/// grid sees tokens only. Thread-safe.
/// </summary>
public sealed class GridClient : IGridClient
{
    // A frozen silo says nothing for so long at most before membership has it out.
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);

    // Asked again when it brings nothing.
    private static readonly TimeSpan DeadTimeout = TimeSpan.FromSeconds(1);

    private readonly IGrainFactory _grains;
    private readonly ILogger<GridClient> _log;
    private readonly TimeProvider _time;
    private readonly ModelTextCache _models;
    private readonly RequestStream _requests;

    // Orleans holds observers weakly: this reference keeps the inbox.
    private readonly TokenInbox _inbox = new();
    private readonly Lazy<ITokenSink> _sink;

    /// <param name="grains">The Orleans client.</param>
    /// <param name="options">How long to wait and how often to try.</param>
    /// <param name="time">Clock of deadlines.</param>
    /// <param name="log">Where attempts that fail are reported.</param>
    /// <param name="local">The model that this process serves itself, asked for at the first request.</param>
    public GridClient(IGrainFactory grains, IOptions<GridClientOptions> options, TimeProvider time, ILogger<GridClient> log, Lazy<ILocalModel>? local = null)
    {
        (_grains, _time, _log) = (grains, time, log);
        _models = new ModelTextCache(grains, options.Value, time, log, local);

        // A failure is that of one request: another mode would keep it for all that follow.
        _sink = new Lazy<ITokenSink>(() => grains.CreateObjectReference<ITokenSink>(_inbox), LazyThreadSafetyMode.PublicationOnly);
        _requests = new RequestStream(Start, FindDead, options.Value, time, log);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ModelCard>> GetModelsAsync(CancellationToken cancellation = default) =>
        Ask(_grains.GetGrain<IModelCatalogGrain>(IModelCatalogGrain.Key).GetModels(), cancellation);

    /// <inheritdoc/>
    public Task<GridStatus> GetStatusAsync(CancellationToken cancellation = default) =>
        Ask(_grains.GetGrain<IGridStatusGrain>(IGridStatusGrain.Key).Get(), cancellation);

    /// <inheritdoc/>
    public Task<GridHealth> GetHealthAsync(CancellationToken cancellation = default) =>
        Ask(_grains.GetGrain<IGridHealthGrain>(IGridHealthGrain.Key).Get(), cancellation);

    /// <inheritdoc/>
    public Task<ModelText> GetModelTextAsync(string model, CancellationToken cancellation = default) => _models.Get(model, cancellation);

    /// <inheritdoc/>
    public async IAsyncEnumerable<TextUpdate> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        ModelText model = await _models.Get(request.Model, cancellation, request.Fingerprint);
        request = RequestPreparation.Prepare(request, model.Card);
        TextAssembler text = new(model.Tokenizer, request);
        await foreach (GenerateUpdate update in _requests.Read(request, cancellation).WithCancellation(cancellation))
        {
            TextUpdate item = text.Append(update);
            if (item.Text.Length > 0 || item.Tokens.Count > 0 || item.Finish is not null)
            {
                yield return item;
            }

            if (item.Finish is not null)
            {
                // A stop string ends the answer before the grid does: leaving the stream stops it there.
                yield break;
            }
        }
    }

    private async Task<T> Ask<T>(Task<T> answer, CancellationToken cancellation)
    {
        try
        {
            return await answer.WaitAsync(AnswerTimeout, _time, cancellation);
        }
        catch (Exception exception) when (exception is not OperationCanceledException && RequestFailures.IsTransient(exception, resuming: false))
        {
            throw new GridException(GridError.Unavailable, $"The grid does not answer: {exception.Message}", exception);
        }
    }

    private async Task<SiloAddress[]> FindDead(SiloAddress[] silos, CancellationToken cancellation)
    {
        try
        {
            IGridHealthGrain health = _grains.GetGrain<IGridHealthGrain>(IGridHealthGrain.Key);
            return await health.FindDead(silos).WaitAsync(DeadTimeout, _time, cancellation);
        }
        catch (Exception failure) when (!cancellation.IsCancellationRequested)
        {
            // The silo asked may be one of them, or of a version that does not know the question. What nobody confirms is held against nobody.
            _log.DeadNotFound(failure.Message);
            return [];
        }
    }

    private async IAsyncEnumerable<GenerateUpdate> Start(GenerateAttempt attempt, AttemptItems items, [EnumeratorCancellation] CancellationToken cancellation)
    {
        // One activation per attempt: a key that is never used twice cannot lead back to a silo that was given up.
        string key = $"{attempt.Request.RequestId}/{Guid.NewGuid():N}/{attempt.Number}";
        long stream = _inbox.Open(items);
        try
        {
            attempt = attempt with { Push = new TokenRoute(_sink.Value, stream) };
            await foreach (GenerateUpdate item in Hinted(_grains.GetGrain<IRequestGrain>(key).Generate(attempt, cancellation), attempt, cancellation))
            {
                yield return item;
            }
        }
        finally
        {
            _inbox.Close(stream);
        }
    }

    private static ValueTask<bool> MoveNext(IAsyncEnumerator<GenerateUpdate> items, string? home)
    {
        if (home is null)
        {
            return items.MoveNextAsync();
        }

        PlacementHints.SetHome(home);
        try
        {
            return items.MoveNextAsync();
        }
        finally
        {
            PlacementHints.Clear();
        }
    }

    private async IAsyncEnumerable<GenerateUpdate> Hinted(
        IAsyncEnumerable<GenerateUpdate> stream, GenerateAttempt attempt, [EnumeratorCancellation] CancellationToken cancellation)
    {
        ModelText model = await _models.Get(attempt.Request.Model, cancellation);
        await using IAsyncEnumerator<GenerateUpdate> items = stream.GetAsyncEnumerator(cancellation);
        ulong[][] hashes = PromptHashes.Compute(attempt, model.Card);
        int tokens = attempt.Request.Prompt.Length + attempt.Generated.Length;
        PlacementHints.Set(attempt.Request.Model, tokens, hashes, attempt.Avoid, attempt.Numerics);
        ValueTask<bool> first = items.MoveNextAsync();
        PlacementHints.Clear();
        bool more;
        try
        {
            more = await first;
        }
        catch (GridException changed) when (changed.Error == GridError.ModelChanged && attempt.Request.Fingerprint == model.Card.Fingerprint)
        {
            _models.Forget(model.Card);
            throw;
        }

        string? home = null;
        while (more)
        {
            home ??= items.Current.Device;
            yield return items.Current;
            more = await MoveNext(items, home);
        }
    }
}
