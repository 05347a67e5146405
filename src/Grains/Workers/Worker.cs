using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Grains.Workers;

/// <summary>One model on one device: the file, the device and the engine, opened together and closed together. Thread-safe.</summary>
public sealed class Worker : ILocalModel, IAsyncDisposable
{
    private readonly Device _device;

    private Worker(WorkerOptions options, Device device, InferenceEngine engine, ModelCard card, GgufHeader header, Tokenizer tokenizer)
    {
        _device = device;
        Options = options;
        Engine = engine;
        Card = card;
        Header = header.Bytes;
        Metadata = header.Metadata;
        Tokenizer = tokenizer;
        WarmUp = engine.WarmUpAsync();
    }

    public WorkerOptions Options { get; }

    public InferenceEngine Engine { get; }

    public ModelCard Card { get; }

    /// <summary>Header of the model file, for clients.</summary>
    public ReadOnlyMemory<byte> Header { get; }

    /// <inheritdoc/>
    public GgufMetadata Metadata { get; }

    /// <inheritdoc/>
    public Tokenizer Tokenizer { get; }

    /// <summary>Runs beside the start of the process, and ends for the first request at the latest. See <see cref="InferenceEngine.WarmUpAsync"/>.</summary>
    public Task<bool> WarmUp { get; }

    /// <summary>Opens the model, creates the device, loads the weights and starts the engine. Takes seconds for a large model.</summary>
    /// <param name="options">What to open.</param>
    /// <param name="time">The engine's clock.</param>
    /// <param name="loggers">Where devices that are passed over and steps that fail are reported.</param>
    /// <param name="found">Called when the model file and the device are open, before the weights are loaded.</param>
    /// <exception cref="StartupException">An option, the model file or the device is not usable; one sentence says why.</exception>
    public static Worker Open(WorkerOptions options, TimeProvider? time = null, ILoggerFactory? loggers = null, Action? found = null)
    {
        options.Validate();
        Device? device = null;
        try
        {
            using ModelFile model = ModelFile.Open(options.ModelPath);
            Tokenizer tokenizer = TokenizerFactory.Create(model.Metadata);
            ILogger? log = loggers?.CreateLogger<Worker>();
            var cpu = new CpuDeviceOptions { Threads = options.Threads, Cores = options.ComputeCores, Priority = options.ComputePriority };
            device = DeviceCatalog.Open(options.Device, cpu, warning => log?.DevicePassedOver(warning));
            EngineOptions engineOptions = KvMemory.Resolve(options, model.Config, device);
            found?.Invoke();
            InferenceEngine engine = new(
                model.Config, model.Weights, model.Fingerprint, tokenizer, device, engineOptions, time, loggers?.CreateLogger<InferenceEngine>());
            ModelCard card = new()
            {
                Name = options.ServedAs,
                Fingerprint = model.Fingerprint,
                ContextLength = engine.ContextLength,
                VocabularySize = model.Config.VocabularySize,
                BlockSize = options.BlockSize,
                Created = (time ?? TimeProvider.System).GetUtcNow(),
            };
            return new Worker(options, device, engine, card, model.Header, tokenizer);
        }
        catch (Exception exception) when (exception is GgufException or ArgumentException or DeviceException or NotSupportedException)
        {
            device?.Dispose();
            throw new StartupException(exception.Message, exception);
        }
        catch
        {
            device?.Dispose();
            throw;
        }
    }

    /// <summary>Stops the engine after the step in progress and frees the device.</summary>
    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        _device.Dispose();
    }
}
