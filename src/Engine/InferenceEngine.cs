using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Execution;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Engine.Stopping;
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
    private static readonly TimeSpan RecoveryTime = TimeSpan.FromSeconds(1);
    private readonly EngineResources _resources;
    private readonly Tokenizer? _tokenizer;
    private readonly IReadOnlyList<int> _endTokens;
    private readonly ILogger _logger;
    private readonly CommandQueue _commands;
    private readonly EngineStatistics _statistics;
    private readonly WaitingLimit _waiting;
    private readonly EngineCore _core;
    private readonly OutputSignal _outputs = new();
    private readonly WarmUp _warmUp;
    private readonly EngineLife _life = new();
    private readonly EngineLoop _loop;
    private int _disposed;

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
    public InferenceEngine(ModelConfig config, ModelWeights weights, string fingerprint, Tokenizer? tokenizer, Device device, EngineOptions options, TimeProvider? time = null, ILogger<InferenceEngine>? logger = null)
    {
        options.Validate();
        time ??= TimeProvider.System;
        Config = config;
        Options = options;
        CacheFingerprint = fingerprint;
        Numerics = EngineNumerics.Name(device, options);
        _tokenizer = tokenizer;
        _endTokens = tokenizer?.EndOfGenerationTokens ?? [];
        _logger = logger ?? NullLogger<InferenceEngine>.Instance;
        _resources = new EngineResources(device, config, weights, options);
        _statistics = new EngineStatistics(time, _life);
        _commands = new CommandQueue(time);
        _waiting = new WaitingLimit(options.MaxWaiting);
        _core = new EngineCore(_resources, options, _endTokens.Count, _commands, _statistics, _waiting, time, _logger);
        _warmUp = new WarmUp(_resources, options, time, _logger);
        _loop = new EngineLoop(_core, _commands, _life, _outputs, new FailureBudget(options, time), time, _logger);
        EngineLog.Started(_logger, device.Info.Name, device.Info.Kernels, _resources.BlockCount, options.BlockSize, ContextLength);
        new Thread(Run) { Name = $"engine {device.Info.Id}", IsBackground = true }.Start();
    }

    /// <summary>
    /// Some handle's <see cref="SequenceHandle.Updates"/> have something to read, or have ended: raised once for all that a step has published.
    /// Handlers run on the engine's thread and return at once.
    /// </summary>
    public event Action? Published
    {
        add => _outputs.Raised += value;
        remove => _outputs.Raised -= value;
    }

    public ModelConfig Config { get; }

    public EngineOptions Options { get; }

    public Device Device => _resources.Device;

    /// <summary>Geometry of the KV cache; two engines exchange blocks only if theirs are equal, and their <see cref="Numerics"/>.</summary>
    public KvLayout Layout => _resources.Layout;

    /// <summary>
    /// With <see cref="Numerics"/> and a tenant's salt, the root of every block hash: see <see cref="BlockHasher.Root"/>.
    /// </summary>
    public string CacheFingerprint { get; }

    /// <summary>
    /// Class of this engine's arithmetic: engines of one class compute the same bits, and draw the same tokens, from the same model. Blocks
    /// are exchanged, and sequences continued, within a class only.
    /// </summary>
    public string Numerics { get; }

    /// <summary>Longest sequence in tokens: what the model, the options and the KV cache allow.</summary>
    public int ContextLength => _resources.ContextLength;

    /// <summary>Ends when the engine has failed for good (<see cref="EngineHealth.Failed"/>), with the reason; never for one that is stopped.</summary>
    public Task<EngineException> Lost => _loop.Lost;

    /// <summary>Snapshot at the end of the last step.</summary>
    public EngineStatus Status => _statistics.Snapshot();

    /// <summary>Takes a sequence, or says at once why not.</summary>
    public SubmitResult<SequenceHandle> Submit(SequenceRequest request)
    {
        if (Refuse(request) is { } refusal)
        {
            return refusal;
        }

        var output = new StreamOutput(_outputs);
        Sequence sequence = Create(request, output, ticket: null);
        return Accept(sequence) is { } refused ? refused : sequence.Handle!;
    }

    /// <summary>
    /// Decode side of a handover: matches the prefix cache and holds blocks for the rest of the prompt. Queues like a submitted sequence; the task
    /// ends when the blocks are there. Cancelling gives up the place in the queue, or the reservation.
    /// </summary>
    /// <param name="request">The sequence.</param>
    /// <param name="lifetime">How long the blocks are held without a commit; null: <see cref="EngineOptions.ReservationLifetime"/>.</param>
    /// <param name="cancellation">Ends the wait with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="EngineException">The engine failed or stopped meanwhile.</exception>
    public async Task<SubmitResult<Reservation>> ReserveAsync(SequenceRequest request, TimeSpan? lifetime = null, CancellationToken cancellation = default)
    {
        if (Refuse(request) is { } refusal)
        {
            return refusal;
        }

        var ticket = new ReservationTicket(lifetime ?? Options.ReservationLifetime);
        Sequence sequence = Create(request, new StreamOutput(_outputs), ticket);
        if ((RefuseFinished(sequence) ?? Accept(sequence)) is { } refused)
        {
            return refused;
        }

        await using (cancellation.Register(sequence.Handle!.Cancel))
        {
            return await ticket.Granted;
        }
    }

    /// <summary>Prefill side of a handover: computes a prompt for another device and samples the first token.</summary>
    /// <param name="request">The same request as on the decode side.</param>
    /// <param name="skipTokens">Tokens that the receiver has: a multiple of the block size. Blocks before it are not announced.</param>
    /// <param name="sink">Told of finished blocks, and of the end.</param>
    /// <param name="lifetime">How long finished blocks stay pinned; null: <see cref="EngineOptions.ReservationLifetime"/>.</param>
    public SubmitResult<PrefillHandle> SubmitPrefill(SequenceRequest request, int skipTokens, IPrefillSink sink, TimeSpan? lifetime = null)
    {
        if (Refuse(request) is { } refusal)
        {
            return refusal;
        }

        if (skipTokens < 0 || skipTokens >= request.Prompt.Length || skipTokens % Options.BlockSize != 0)
        {
            return new Refusal(RefusalReason.InvalidRequest, $"{skipTokens} tokens to skip are not whole blocks of {Options.BlockSize} within a prompt of {request.Prompt.Length}", "skip_tokens");
        }

        var handle = new PrefillHandle(request.Id, Layout, _core.Handovers);
        var output = new PrefillOutput(handle, sink, skipTokens / Options.BlockSize, lifetime ?? Options.ReservationLifetime);
        handle.Sequence = Create(request, output, ticket: null);
        return (RefuseFinished(handle.Sequence) ?? Accept(handle.Sequence)) is { } refused ? refused : handle;
    }

    /// <summary>
    /// Lets the engine's thread compute something of no use, so that the first sequence does not wait for compilers: see <see cref="WarmUp"/>. Gives way to
    /// whatever else is asked of the engine, after the step in progress, and leaves no trace: not in the status, the prefix cache or the blocks.
    /// </summary>
    /// <returns>
    /// Ends when the engine's thread is free again: true if all was computed, false if the engine had other work. Fails with an
    /// <see cref="EngineException"/> if what it computes fails on a device that computes otherwise, and with whatever the engine has to
    /// recover from if it does not.
    /// </returns>
    public Task<bool> WarmUpAsync()
    {
        var end = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_commands.TryPost(WarmUpNow))
        {
            end.SetResult(false);
        }

        return end.Task;

        void WarmUpNow()
        {
            try
            {
                // Later on, blocks hold what is not to be written over.
                bool isIdle = _life.Health == EngineHealth.Serving && !_core.Ledger.HasAccepted;
                end.SetResult(isIdle && _warmUp.Run(isWanted: () => !_commands.IsEmpty));
            }
            catch (EngineException e)
            {
                end.SetException(e);
            }
            catch (Exception e)
            {
                end.SetException(new EngineException(EngineFailure.DeviceFailed, e.Message, e));
                throw;
            }
        }
    }

    /// <summary>Changes of the prefix cache after event <paramref name="after"/> (0: from the start).</summary>
    public PrefixCacheEvents ReadCacheEvents(long after) => _core.Journal?.Read(after) ?? new PrefixCacheEvents(0, IsSnapshot: true, [], []);

    /// <summary>Checks that no block is lost, doubled or miscounted. For tests and diagnosis.</summary>
    /// <exception cref="InvalidOperationException">One is.</exception>
    public Task CheckIntegrityAsync()
    {
        var check = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_commands.TryPost(Check))
        {
            Check();
        }

        return check.Task;

        void Check()
        {
            try
            {
                _core.CheckIntegrity();
                check.SetResult();
            }
            catch (InvalidOperationException e)
            {
                check.SetException(e);
            }
        }
    }

    /// <summary>Refuses new work from now on; accepted sequences run to their end.</summary>
    /// <returns>Ends when the last one has.</returns>
    public Task DrainAsync()
    {
        _life.Drain();
        _commands.Wake();
        return _loop.Drained;
    }

    /// <summary>Stops after the step in progress; sequences that have not ended fail with <see cref="EngineFailure.Stopped"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        _loop.Stop();
        await _loop.Ended;
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _core.Handovers.Shutdown();
            _commands.Dispose();
            _resources.Dispose();
        }
    }

    private Refusal? Refuse(SequenceRequest request) =>
        Unavailable() ?? RequestCheck.Check(request, Config.VocabularySize, ContextLength, _tokenizer is not null);

    private static Refusal? RefuseFinished(Sequence sequence) => sequence.Stop.Reached(sequence) is null
        ? null
        : new Refusal(RefusalReason.Finished, "the answer is complete: there is nothing to hand over");

    private Refusal? Unavailable() => _life.Health switch
    {
        EngineHealth.Serving => null,
        EngineHealth.Recovering => new Refusal(
            RefusalReason.Failed, "the device has failed and serves again soon", RetryAfter: RecoveryTime),
        EngineHealth.Failed => new Refusal(RefusalReason.Failed, $"the device has failed: {_life.Failure}"),
        _ => new Refusal(RefusalReason.Stopping, "the engine is stopping"),
    };

    private Sequence Create(SequenceRequest request, ISequenceOutput output, ReservationTicket? ticket)
    {
        var hashes = new BlockHashChain(BlockHasher.Root(CacheFingerprint, Numerics, request.CacheSalt), Options.BlockSize);
        if (Options.PrefixCache)
        {
            // Here rather than on the engine's thread.
            hashes.Extend(request.Prompt);
        }

        var sequence = new Sequence(request, RequestCheck.Limit(request, ContextLength), hashes, new StopRules(_endTokens, request, _tokenizer), output) { Ticket = ticket };
        if (output is StreamOutput stream)
        {
            sequence.Handle = new SequenceHandle(request.Id, stream.Reader, () => _commands.TryPost(() => _core.Handovers.Cancel(sequence)));
        }

        return sequence;
    }

    private Refusal? Accept(Sequence sequence)
    {
        if (!_waiting.TryEnter())
        {
            return new Refusal(RefusalReason.QueueFull, $"{Options.MaxWaiting} sequences are waiting already", RetryAfter: _statistics.ExpectedWait);
        }

        if (!_life.TryPost(_commands, () => _core.Ledger.Enqueue(sequence)))
        {
            _waiting.Leave();
            return Unavailable() ?? new Refusal(RefusalReason.Failed, "the device had failed and serves again", RetryAfter: RecoveryTime);
        }

        return null;
    }

    private void Run()
    {
        if (Device.EnterThread() is { } refused)
        {
            EngineLog.ThreadRefused(_logger, Device.Info.Name, refused);
        }

        _loop.Run();
    }
}
