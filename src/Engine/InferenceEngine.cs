using Microsoft.Extensions.Logging;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Engine;

/// <summary>
/// One device serving many sequences of one model: continuous batching over a paged KV cache. One thread of its own steps it and sleeps
/// when there is nothing to do; every public member may be called from any thread and none of them waits for a step.
/// </summary>
public sealed class InferenceEngine : IAsyncDisposable
{
    /// <summary>Loads the weights onto <paramref name="device"/>, allocates the KV cache and starts the thread.</summary>
    /// <param name="config">Shape of the model.</param>
    /// <param name="weights">Its tensors; not needed afterwards.</param>
    /// <param name="fingerprint">Names the model in block hashes.</param>
    /// <param name="tokenizer">For end-of-generation tokens and stop strings; null: sequences end by length only.</param>
    /// <param name="device">Stays the caller's; must live longer than the engine, and serve no other.</param>
    /// <param name="options">Validated here.</param>
    /// <param name="time">Clock of deadlines and statistics.</param>
    /// <param name="logger">Where steps that fail are reported.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the KV cache does not fit.</exception>
    public InferenceEngine(ModelConfig config, ModelWeights weights, string fingerprint, Tokenizer? tokenizer, Device device, EngineOptions options, TimeProvider? time = null, ILogger<InferenceEngine>? logger = null) =>
        throw new NotImplementedException();

    public ModelConfig Config => throw new NotImplementedException();

    public EngineOptions Options => throw new NotImplementedException();

    public Device Device => throw new NotImplementedException();

    /// <summary>Geometry of the KV cache; two engines exchange blocks only if theirs are equal.</summary>
    public KvLayout Layout => throw new NotImplementedException();

    /// <summary>With a tenant's salt, the root of every block hash: see <see cref="BlockHasher.Root"/>.</summary>
    public string CacheFingerprint => throw new NotImplementedException();

    /// <summary>Longest sequence in tokens: what the model, the options and the KV cache allow.</summary>
    public int ContextLength => throw new NotImplementedException();

    /// <summary>Snapshot at the end of the last step.</summary>
    public EngineStatus Status => throw new NotImplementedException();

    /// <summary>Takes a sequence, or says at once why not.</summary>
    public SubmitResult<SequenceHandle> Submit(SequenceRequest request) => throw new NotImplementedException();

    /// <summary>
    /// Decode side of a handover: matches the prefix cache and holds blocks for the rest of the prompt. Queues like a submitted sequence; the task
    /// ends when the blocks are there. Cancelling gives up the place in the queue, or the reservation.
    /// </summary>
    /// <param name="request">The sequence.</param>
    /// <param name="lifetime">How long the blocks are held without a commit; null: <see cref="EngineOptions.ReservationLifetime"/>.</param>
    /// <param name="cancellation">Ends the wait with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="EngineException">The engine failed or stopped meanwhile.</exception>
    public Task<SubmitResult<Reservation>> ReserveAsync(SequenceRequest request, TimeSpan? lifetime = null, CancellationToken cancellation = default) => throw new NotImplementedException();

    /// <summary>Prefill side of a handover: computes a prompt for another device and samples the first token.</summary>
    /// <param name="request">The same request as on the decode side.</param>
    /// <param name="skipTokens">Tokens that the receiver has: a multiple of the block size. Blocks before it are not announced.</param>
    /// <param name="sink">Told of finished blocks, and of the end.</param>
    /// <param name="lifetime">How long finished blocks stay pinned; null: <see cref="EngineOptions.ReservationLifetime"/>.</param>
    public SubmitResult<PrefillHandle> SubmitPrefill(SequenceRequest request, int skipTokens, IPrefillSink sink, TimeSpan? lifetime = null) => throw new NotImplementedException();

    /// <summary>Changes of the prefix cache after event <paramref name="after"/> (0: from the start).</summary>
    public PrefixCacheEvents ReadCacheEvents(long after) => throw new NotImplementedException();

    /// <summary>Refuses new work from now on; accepted sequences run to their end.</summary>
    /// <returns>Ends when the last one has.</returns>
    public Task DrainAsync() => throw new NotImplementedException();

    /// <summary>Stops after the step in progress; sequences that have not ended fail with <see cref="EngineFailure.Stopped"/>.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
