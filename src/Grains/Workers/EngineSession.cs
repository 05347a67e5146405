using ServingGrid.Engine;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Grains.Workers;

/// <summary>
/// A device and the engine on it, opened together and closed together: what a worker has another one of when its device is lost.
/// </summary>
internal sealed class EngineSession : IAsyncDisposable
{
    private readonly Device _device;
    private int _disposed;

    private EngineSession(Device device, InferenceEngine engine)
    {
        _device = device;
        Engine = engine;
        WarmUp = engine.WarmUpAsync();
    }

    public InferenceEngine Engine { get; }

    /// <inheritdoc cref="InferenceEngine.WarmUpAsync"/>
    public Task<bool> WarmUp { get; }

    /// <summary>Opens the device, loads the weights and starts the engine.</summary>
    /// <param name="model">An open file; not needed afterwards.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="options">What else there is to know.</param>
    /// <param name="device">Opens the device.</param>
    /// <param name="time">The engine's clock.</param>
    /// <param name="loggers">Where steps that fail are reported.</param>
    /// <param name="found">Called when the device is open, before the weights are loaded.</param>
    public static EngineSession Open(
        ModelFile model, Tokenizer tokenizer, WorkerOptions options, Func<Device> device, TimeProvider? time, ILoggerFactory? loggers, Action? found = null)
    {
        Device opened = device();
        try
        {
            EngineOptions engineOptions = KvMemory.Resolve(options, model.Config, opened);
            found?.Invoke();
            return new EngineSession(opened, new InferenceEngine(
                model.Config, model.Weights, model.Fingerprint, tokenizer, opened, engineOptions, time, loggers?.CreateLogger<InferenceEngine>()));
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>The device that <see cref="WorkerOptions.Device"/> or the catalog names.</summary>
    public static Device OpenFromCatalog(string id, WorkerOptions options, ILogger? log) => DeviceCatalog.Open(
        id, new CpuDeviceOptions { Threads = options.Threads, Cores = options.ComputeCores, Priority = options.ComputePriority }, warning => log?.DevicePassedOver(warning));

    /// <summary>Stops the engine after the step in progress and frees the device. Without effect the second time.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            try
            {
                await Engine.DisposeAsync();
            }
            finally
            {
                _device.Dispose();
            }
        }
    }
}
