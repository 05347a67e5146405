using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using ServingGrid.Gateway.Hosting;
using ServingGrid.Grains.Workers;
using ServingGrid.Kernels;
using ServingGrid.Testing;
using ServingGrid.Testing.Faults;

namespace ServingGrid.Gateway.Tests.Support;

/// <summary>The one-process default on a free port, over a device that a test can break.</summary>
internal sealed class EmbeddedGateway : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly WorkerOpening _opening;
    private readonly FaultyDevices _devices;

    private EmbeddedGateway(WebApplication app, WorkerOpening opening, FaultyDevices devices, RecordedLog log)
    {
        (_app, _opening, _devices, Log) = (app, opening, devices, log);
        Http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()), Timeout = TimeSpan.FromMinutes(2) };
    }

    public HttpClient Http { get; }

    public RecordedLog Log { get; }

    /// <summary>The device now.</summary>
    public FaultyDevice Device => _devices.Opened[^1];

    /// <summary>Every device that was opened, in order.</summary>
    public IReadOnlyList<FaultyDevice> Devices => _devices.Opened;

    /// <summary>What opening a device throws from now on; null: nothing.</summary>
    public Exception? OpeningFails
    {
        set => _devices.Fails = value;
    }

    public static async Task<EmbeddedGateway> StartAsync()
    {
        var options = new GatewayOptions { Urls = ["http://127.0.0.1:0"], ModelPath = ModelFiles.Bundled, Device = "cpu", Threads = 1, ContextLength = 1024 };
        WorkerOptions worker = EmbeddedSilo.ToWorkerOptions(options) with { KvMemoryBytes = 16 << 20 };
        FaultyDevices devices = new();
        RecordedLog log = new();
        WorkerOpening opening = WorkerOpening.Begin((found, early) => Worker.Open(worker, loggers: early, found: found, openDevice: devices.Open));
        WebApplication app = GatewayApp.Create(options, builder =>
        {
            EmbeddedSilo.Add(builder, worker, opening);
            builder.Logging.ClearProviders().AddProvider(log);
        });
        await app.StartAsync();
        return new EmbeddedGateway(app, opening, devices, log);
    }

    public Task<HttpResponseMessage> PostAsync(string path, string body) =>
        Http.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));

    /// <summary>Posts and expects a 200 with JSON.</summary>
    public async Task<JsonNode> CallAsync(string path, string body)
    {
        using HttpResponseMessage response = await PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    /// <summary>What <c>/health</c> says.</summary>
    public async Task<(HttpStatusCode Status, string Text)> ReadHealthAsync()
    {
        using HttpResponseMessage response = await Http.GetAsync("/health");
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Waits until <c>/health</c> has this status; what it says.</summary>
    public async Task<string> WaitForHealthAsync(HttpStatusCode status)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (true)
        {
            (HttpStatusCode now, string text) = await ReadHealthAsync();
            if (now == status)
            {
                return text;
            }

            Assert.False(patience.IsCancellationRequested, $"{now}: {text}");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.DisposeAsync();
        await _opening.DisposeAsync();
    }

    private sealed class FaultyDevices
    {
        private readonly Lock _gate = new();
        private readonly List<FaultyDevice> _opened = [];
        private volatile Exception? _fails;

        public Exception? Fails
        {
            set => _fails = value;
        }

        public FaultyDevice[] Opened
        {
            get
            {
                lock (_gate)
                {
                    return [.. _opened];
                }
            }
        }

        public Device Open(string id)
        {
            if (_fails is { } failure)
            {
                throw failure;
            }

            FaultyDevice device = new(DeviceCatalog.Open(id, new Kernels.Cpu.CpuDeviceOptions { Threads = 1 }));
            lock (_gate)
            {
                _opened.Add(device);
            }

            return device;
        }
    }
}
