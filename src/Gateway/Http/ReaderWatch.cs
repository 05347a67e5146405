using System.Diagnostics.Metrics;
using System.IO.Pipelines;
using ServingGrid.Gateway.Hosting;

namespace ServingGrid.Gateway.Http;

/// <summary>
/// Gives up clients that do not read. A write is complete when the network has taken it; one that waits for longer than
/// <see cref="GatewayOptions.ReaderTimeout"/> has a client behind it that takes nothing: its connection is ended, and with it the request,
/// down to the engine. Thread-safe.
/// </summary>
internal sealed partial class ReaderWatch(
    GatewayOptions options, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<ReaderWatch> log)
{
    private static readonly Meter Meter = new("ServingGrid.Gateway");

    private static readonly Counter<long> Dropped =
        Meter.CreateCounter<long>(
            "servinggrid_http_silent_readers_total", description: "Connections ended because the client did not read its answer.");

    // A gateway that stops does not wait for who does not read.
    private static readonly TimeSpan StoppingPatience = TimeSpan.FromSeconds(1);

    // Kestrel ends a request's token on the pool, soon after its connection.
    private static readonly TimeSpan AbortPatience = TimeSpan.FromSeconds(5);

    /// <summary>Hands what was written to the network.</summary>
    /// <exception cref="OperationCanceledException">Cancelled, or the client was given up: then the request is aborted too.</exception>
    public async Task FlushAsync(HttpContext context, CancellationToken cancellation)
    {
        ValueTask<FlushResult> flush = context.Response.BodyWriter.FlushAsync(cancellation);
        if (flush.IsCompletedSuccessfully)
        {
            flush.GetAwaiter().GetResult();
            return;
        }

        Task<FlushResult> waiting = flush.AsTask();
        using var patience = new CancellationTokenSource(options.ReaderTimeout, time);
        using CancellationTokenRegistration stopping = lifetime.ApplicationStopping.UnsafeRegister(
            static source => ((CancellationTokenSource)source!).CancelAfter(StoppingPatience), patience);
        try
        {
            await waiting.WaitAsync(patience.Token);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            Dropped.Add(1);
            LogDropped(context.Request.Path, options.ReaderTimeout.TotalSeconds, context.TraceIdentifier);
            context.Abort();
            await Task.Delay(AbortPatience, time, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await ((Task)waiting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new OperationCanceledException("The client did not read its answer.");
        }
    }

    [LoggerMessage(
        LogLevel.Warning, "The client of {Path} has read nothing for {Seconds:0} s: its connection was ended (request {RequestId})")]
    private partial void LogDropped(string path, double seconds, string requestId);
}
