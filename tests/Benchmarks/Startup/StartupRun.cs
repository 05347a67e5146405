using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ServingGrid.Benchmarks.Http;
using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Testing.Services;

namespace ServingGrid.Benchmarks.Startup;

/// <summary>Starts a server, waits until it says that it is ready, asks it something, and ends it.</summary>
internal static class StartupRun
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(5);

    /// <param name="command">How it is started; <c>{port}</c> is replaced.</param>
    /// <param name="options">What it is asked.</param>
    /// <param name="findings">Where the times (ms) and peaks (MiB) go.</param>
    public static async Task MeasureAsync(string command, StartupOptions options, Findings findings)
    {
        int port = ServerProcess.FreePort();
        using var process = MeasuredProcess.Start(command.Replace("{port}", port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
        var address = new Uri($"http://127.0.0.1:{port}");
        await WaitUntilReadyAsync(process, address);
        findings.Add("ready, ms", process.MillisecondsSinceStart);
        findings.Add("peak at ready, MiB", ProcessMemory.PeakMegabytes(process.Id));

        using var server = new ServerUnderTest(command, address, new PromptMaker(seed: 1, options.Tokens.Low, options.Tokens.High));
        await server.FindModelAsync();
        StreamTrace first = await server.CompleteAsync(server.Prompts.Make(options.Input), options.Output);
        findings.Add("first token, ms after the start", process.MillisecondsSinceStart - first.TotalMilliseconds + first.FirstTokenMilliseconds);
        findings.Add("first request, ms", first.TotalMilliseconds);
        var later = new List<double>();
        for (int i = 0; i < 5; i++)
        {
            later.Add((await server.CompleteAsync(server.Prompts.Make(options.Input), options.Output)).TotalMilliseconds);
        }

        findings.Add("the sixth request, ms", later[^1]);
        await Task.WhenAll(Enumerable.Range(0, options.Clients).Select(_ => server.CompleteAsync(server.Prompts.Make(options.Input), options.Output)));
        findings.Add($"peak after {options.Clients} requests at a time, MiB", ProcessMemory.PeakMegabytes(process.Id));
        (double anonymous, double file) = ProcessMemory.ResidentMegabytes(process.Id);
        findings.Add("then resident: its own pages, MiB", anonymous);
        findings.Add("then resident: pages of files, MiB", file);
    }

    private static async Task WaitUntilReadyAsync(MeasuredProcess process, Uri address)
    {
        using var http = new HttpClient { BaseAddress = address };
        long start = Stopwatch.GetTimestamp();
        while (!await AcceptsAsync(address.Port) || !await IsReadyAsync(http))
        {
            if (process.HasEnded || Stopwatch.GetElapsedTime(start) > Patience)
            {
                throw new UsageException($"The server {(process.HasEnded ? "ended" : $"was not ready after {Patience}")}. It printed:{Environment.NewLine}{process.LastOutput}");
            }

            await Task.Delay(PollEvery);
        }
    }

    // Before HTTP, because HttpClient takes milliseconds of processor time for each refusal, which the server needs.
    private static async Task<bool> AcceptsAsync(int port)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<bool> IsReadyAsync(HttpClient http)
    {
        try
        {
            using HttpResponseMessage response = await http.GetAsync("/health");
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            // A server may try early whether it will be able to listen, and stop again.
            return false;
        }
    }
}
