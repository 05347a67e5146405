using System.IO.Pipelines;
using System.Text.Json;
using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.Http;

/// <summary>
/// A request's body. Its size is bounded by the server's limit, that of all large bodies together by <see cref="LargeRequests"/>. For one
/// handler.
/// </summary>
internal sealed class RequestBody : IDisposable
{
    private const int FirstBytes = 16 << 10;

    private readonly LargeRequests _large;
    private readonly Upload _upload;
    private byte[] _bytes = [];
    private int _length;

    private RequestBody(LargeRequests large) => (_large, _upload) = (large, large.Begin());

    /// <summary>Reads all of it.</summary>
    /// <exception cref="ApiException">
    /// 400: there is none, or it breaks off. 408: it comes too slowly. 429: too many large ones are there already. 503: the gateway stops.
    /// </exception>
    /// <exception cref="BadHttpRequestException">413: larger than the server's limit. 408: it comes too slowly.</exception>
    public static async Task<RequestBody> ReadAsync(HttpContext context, LargeRequests large)
    {
        var body = new RequestBody(large);
        try
        {
            CancellationToken stopping = context.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
            await body.FillAsync(context.Request.BodyReader, stopping, context.RequestAborted);
        }
        catch
        {
            body.Dispose();
            throw;
        }

        context.Features.Get<ConnectionWork>()?.Begin();
        return body;
    }

    /// <summary>Waits for the turn to work on a request of this size.</summary>
    public ValueTask<LargeRequestTurn> EnterAsync(CancellationToken cancellation) => _large.EnterAsync(_length, cancellation);

    /// <summary>The body as one JSON object, once: the bytes are gone then.</summary>
    /// <exception cref="ApiException">400: no JSON object (see <see cref="StrictJson"/>).</exception>
    public JsonElement ReadObject()
    {
        if (!StrictJson.TryParse(_bytes.AsSpan(0, _length), out JsonElement root, out string? fault, out string? field))
        {
            throw ApiException.Invalid($"The request's {(field is null ? "body" : $"'{field}'")} {fault}", field);
        }

        _bytes = [];

        return root.ValueKind == JsonValueKind.Object
            ? root
            : throw ApiException.Invalid("The request's body must be a JSON object.");
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        _bytes = [];
        _upload.Dispose();
    }

    private async Task FillAsync(PipeReader input, CancellationToken stopping, CancellationToken cancellation)
    {
        // Not by a token: the web server's reader takes a read that one has ended for one that goes on.
        using CancellationTokenRegistration ending =
            _upload.Ended.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), input);
        using CancellationTokenRegistration end =
            stopping.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), input);
        ReadResult read;
        do
        {
            read = await ReadAsync(input, cancellation);
            try
            {
                if (_upload.HasEnded)
                {
                    throw TooSlow();
                }

                if (stopping.IsCancellationRequested && !read.IsCompleted)
                {
                    throw new ApiException(ApiError.Stopping);
                }

                foreach (ReadOnlyMemory<byte> piece in read.Buffer)
                {
                    MakeRoom(piece.Length);
                    piece.Span.CopyTo(_bytes.AsSpan(_length));
                    _length += piece.Length;
                }

                _upload.Advance(read.Buffer.Length);
            }
            finally
            {
                // A refusal as well: the server reads on, for some seconds, so that whoever is still sending sees the answer.
                input.AdvanceTo(read.Buffer.End);
            }
        }
        while (!read.IsCompleted);

        if (!_upload.TryComplete())
        {
            throw TooSlow();
        }

        if (_length == 0)
        {
            throw ApiException.Invalid("The request has no body: a JSON object is expected.");
        }
    }

    // A connection that ends, or framing that makes no sense: the client's doing, and no failure of the server.
    private static async Task<ReadResult> ReadAsync(PipeReader input, CancellationToken cancellation)
    {
        try
        {
            // Without the token: a read that one has ended counts as one that goes on, for the web server, which ends it with the connection.
            return await input.ReadAsync(CancellationToken.None);
        }
        catch (Exception failure) when (
            !cancellation.IsCancellationRequested && failure is OperationCanceledException or (IOException and not BadHttpRequestException))
        {
            throw ApiException.Invalid("The request's body breaks off, or is not sent as its headers say.");
        }
    }

    // As it arrives: what a client announces and does not send takes nothing.
    private void MakeRoom(int more)
    {
        if (_bytes.Length - _length >= more)
        {
            return;
        }

        int size = Math.Max(Math.Max(FirstBytes, _length + more), _bytes.Length * 2);
        if (size > LargeRequests.SmallBytes && !_upload.TryHold(size))
        {
            throw _upload.HasEnded ? TooSlow() : new ApiException(new ApiError(
                StatusCodes.Status429TooManyRequests, "rate_limit_error", "The server is reading as many large requests as it takes.")
            {
                Code = "too_many_large_requests",
                RetryAfter = TimeSpan.FromSeconds(1),
            });
        }

        byte[] grown = GC.AllocateUninitializedArray<byte>(size);
        _bytes.AsSpan(0, _length).CopyTo(grown);
        _bytes = grown;
    }

    private static ApiException TooSlow() => new(new ApiError(
        StatusCodes.Status408RequestTimeout, "invalid_request_error", "The request's body came too slowly.")
    {
        Code = "request_timeout",
    });
}
