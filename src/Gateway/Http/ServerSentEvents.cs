using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Features;

namespace ServingGrid.Gateway.Http;

/// <summary>
/// A response that is a stream of server-sent events. Nothing is sent before <see cref="Start"/>, so that an error before the first
/// token still has its own status. Events reach the client at the next flush. Used by one handler at a time.
/// </summary>
internal sealed class ServerSentEvents(HttpResponse response, ReaderWatch readers) : IDisposable
{
    private readonly PipeWriter _body = response.BodyWriter;
    private readonly Utf8JsonWriter _json = new(Stream.Null, JsonResponses.WriterOptions);

    public bool Started { get; private set; }

    public void Start()
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no"; // nginx would hold the events back
        response.HttpContext.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        Started = true;
    }

    /// <summary>One <c>data:</c> event.</summary>
    public void Write<T>(T value, JsonTypeInfo<T> type)
    {
        _body.Write("data: "u8);
        _json.Reset(_body);
        JsonSerializer.Serialize(_json, value, type);
        _json.Flush();
        _body.Write("\n\n"u8);
    }

    /// <summary>The event that tells OpenAI's clients that nothing follows.</summary>
    public void WriteDone() => _body.Write("data: [DONE]\n\n"u8);

    /// <summary>
    /// Hands everything written so far to the network; waits while the client does not read, for as long as <see cref="ReaderWatch"/>
    /// allows.
    /// </summary>
    public Task FlushAsync(CancellationToken cancellation) => readers.FlushAsync(response.HttpContext, cancellation);

    public void Dispose() => _json.Dispose();
}
