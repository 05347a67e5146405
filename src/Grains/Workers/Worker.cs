using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Grains.Workers;

/// <summary>
/// One model on one device: the file, the device and the engine. What it serves stays the same for its life; a device that is lost can be
/// opened anew,
/// and then there is another <see cref="Engine"/>. Thread-safe.
/// </summary>
public sealed class Worker : ILocalModel, IAsyncDisposable
{
    private readonly Func<string, Device> _openDevice;
    private readonly Lock _gate = new();
    private volatile EngineSession _session;
    private volatile string? _notReopened;
    private Action? _published;
    private bool _disposed;

    private Worker(WorkerOptions options, Func<string, Device> openDevice, EngineSession session, ModelCard card, ModelFile model, Tokenizer tokenizer)
    {
        Options = options;
        _openDevice = openDevice;
        _session = session;
        Card = card;
        Header = model.Header.Bytes;
        Metadata = model.Header.Metadata;
        Tokenizer = tokenizer;
    }

    /// <summary><see cref="InferenceEngine.Published"/> of whichever engine there is.</summary>
    public event Action? Published
    {
        add
        {
            lock (_gate)
            {
                _published += value;
                _session.Engine.Published += value;
            }
        }

        remove
        {
            lock (_gate)
            {
                _published -= value;
                _session.Engine.Published -= value;
            }
        }
    }

    public WorkerOptions Options { get; }

    /// <summary>The engine now: not to be kept beyond a request.</summary>
    public InferenceEngine Engine => _session.Engine;

    public ModelCard Card { get; }

    /// <summary>Header of the model file, for clients.</summary>
    public ReadOnlyMemory<byte> Header { get; }

    /// <inheritdoc/>
    public GgufMetadata Metadata { get; }

    /// <inheritdoc/>
    public Tokenizer Tokenizer { get; }

    /// <summary>Runs beside the start of the process, and ends for the first request at the latest. See <see cref="InferenceEngine.WarmUpAsync"/>.</summary>
    public Task<bool> WarmUp => _session.WarmUp;

    /// <summary>
    /// What is wrong with the engine, in one sentence, and with opening its device anew if that was tried; null while nothing is.
    /// </summary>
    public string? Trouble => Engine.Status is { Health: EngineHealth.Failed or EngineHealth.Recovering } status
        ? _notReopened is { } reason ? $"{status.Failure}; opening the device anew failed: {reason}" : status.Failure
        : null;

    private TimeProvider? Time { get; init; }

    private ILoggerFactory? Loggers { get; init; }

    /// <summary>Opens the model, creates the device, loads the weights and starts the engine. Takes seconds for a large model.</summary>
    /// <param name="options">What to open.</param>
    /// <param name="time">The engine's clock.</param>
    /// <param name="loggers">Where devices that are passed over and steps that fail are reported.</param>
    /// <param name="found">Called when the model file and the device are open, before the weights are loaded.</param>
    /// <param name="openDevice">Opens a device by its id; null: that of the catalog.</param>
    /// <exception cref="StartupException">An option, the model file or the device is not usable; one sentence says why.</exception>
    public static Worker Open(
        WorkerOptions options, TimeProvider? time = null, ILoggerFactory? loggers = null, Action? found = null, Func<string, Device>? openDevice = null)
    {
        options.Validate();
        openDevice ??= id => EngineSession.OpenFromCatalog(id, options, loggers?.CreateLogger<Worker>());
        return OrStartupException(() =>
        {
            using ModelFile model = ModelFile.Open(options.ModelPath);
            Tokenizer tokenizer = TokenizerFactory.Create(model.Metadata);
            EngineSession session = EngineSession.Open(model, tokenizer, options, () => openDevice(options.Device), time, loggers, found);
            ModelCard card = new()
            {
                Name = options.ServedAs,
                Fingerprint = model.Fingerprint,
                ContextLength = session.Engine.ContextLength,
                VocabularySize = model.Config.VocabularySize,
                BlockSize = options.BlockSize,
                Created = (time ?? TimeProvider.System).GetUtcNow(),
            };
            return new Worker(options, openDevice, session, card, model, tokenizer) { Time = time, Loggers = loggers };
        });
    }

    /// <summary>
    /// Closes the device and opens the same one anew, with the same model: nothing of the old engine is left, and what it served is not
    /// there meanwhile.
    /// One caller at a time.
    /// </summary>
    /// <exception cref="StartupException">
    /// The device or the file is not usable now, or is another one. <see cref="Trouble"/> says so, as it does of whatever else a driver
    /// throws, and it may be tried again.
    /// </exception>
    public async Task ReopenAsync()
    {
        EngineSession lost = _session;
        try
        {
            // First, so that there is room for the new one.
            await lost.DisposeAsync();
        }
        catch (Exception exception)
        {
            // A device that is lost may fail in this, too. If what it holds is in the way, opening it anew says so.
            Loggers?.CreateLogger<Worker>().LostDeviceNotClosed(lost.Engine.Device.Info.Id, exception.Message);
        }

        try
        {
            EngineSession session = await Task.Run(() => OrStartupException(() => OpenAgain(lost.Engine.Device.Info.Id)));
            await Exchange(session);
        }
        catch (Exception exception)
        {
            _notReopened = exception.Message;
            throw;
        }
    }

    /// <summary>Stops the engine after the step in progress and frees the device.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _disposed = true;
            return _session.DisposeAsync();
        }
    }

    private EngineSession OpenAgain(string device)
    {
        using ModelFile model = ModelFile.Open(Options.ModelPath);
        if (model.Fingerprint != Card.Fingerprint)
        {
            throw new StartupException($"{Options.ModelPath} is another model now: only a new process serves it.");
        }

        EngineSession session = EngineSession.Open(model, Tokenizer, Options, () => _openDevice(device), Time, Loggers);
        if (session.Engine.ContextLength != Card.ContextLength)
        {
            int context = session.Engine.ContextLength;
            session.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw new StartupException($"There is room for a context of {context} tokens only, not for {Card.ContextLength} as before.");
        }

        return session;
    }

    private ValueTask Exchange(EngineSession session)
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return session.DisposeAsync();
            }

            session.Engine.Published += _published;
            _session = session;
            _notReopened = null;
            return ValueTask.CompletedTask;
        }
    }

    private static T OrStartupException<T>(Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception exception) when (exception is GgufException or ArgumentException or DeviceException or NotSupportedException)
        {
            throw new StartupException(exception.Message, exception);
        }
    }
}
