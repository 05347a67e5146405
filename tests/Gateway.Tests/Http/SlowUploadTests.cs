using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Gateway.Tests.Support;

namespace ServingGrid.Gateway.Tests.Http;

/// <summary>Large bodies that do not come to an end, and models that are not found: what they do to the large requests of others.</summary>
public sealed class SlowUploadTests
{
    private const int MaxBody = 1 << 20;
    private const int Announced = 1_000_000;

    // Beyond half of the largest: it holds the memory of a whole one.
    private const int Sent = 600_000;
    private const int MostUploads = 64;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly string Large = $$"""{"model":"scripted","prompt":"{{new string('a', Sent)}}"}""";

    private readonly FakeTimeProvider _time = new();
    private readonly List<Socket> _sockets = [];

    [Fact]
    public async Task Post_RoomIsTakenByUploadsThatHaveFallenSilent_TheyMakeRoom()
    {
        await using GatewayServer server = await StartAsync();
        try
        {
            await FillAsync(server);
            _time.Advance(TimeSpan.FromSeconds(6));
            Assert.Equal("context_length_exceeded", await PostLargeAsync(server));
            Task<string> ended = await Task.WhenAny(_sockets.Select(ReadAsync));
            Assert.StartsWith("HTTP/1.1 408 ", await ended);
        }
        finally
        {
            _sockets.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public async Task Post_NothingComesForLong_408()
    {
        await using GatewayServer server = await StartAsync();
        using Socket socket = await BeginAsync(server, Sent);
        Task<string> answer = ReadAsync(socket);
        long start = TimeProvider.System.GetTimestamp();
        while (!answer.IsCompleted && TimeProvider.System.GetElapsedTime(start) < Patience)
        {
            await Task.Delay(20);
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        // The web server itself takes the average of the whole body, and would allow two minutes.
        Assert.True(answer.IsCompleted, "It may be silent for ever.");
        Assert.StartsWith("HTTP/1.1 408 ", await answer);
        Assert.Contains("request_timeout", await answer, StringComparison.Ordinal);
        AssertNoErrors(server);
    }

    [Fact]
    public async Task Post_RefusedWhileItIsStillSending_ReadsTheAnswerAndTheConnectionGoesOn()
    {
        await using GatewayServer server = await StartAsync();
        try
        {
            await FillAsync(server);
            using Socket socket = await BeginAsync(server, Sent);
            Assert.StartsWith("HTTP/1.1 429 ", await ReadAsync(socket));

            await SendAsync(socket, Body(Announced - Sent));
            await SendAsync(socket, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
            Assert.StartsWith("HTTP/1.1 200 ", await ReadAsync(socket));
            AssertNoErrors(server);
        }
        finally
        {
            _sockets.ForEach(socket => socket.Dispose());
        }
    }

    [Theory]
    [InlineData("/v1/completions", "{\"model\":\"MODEL\",\"prompt\":\"TEXT\"}")]
    [InlineData("/v1/chat/completions", "{\"model\":\"MODEL\",\"messages\":[{\"role\":\"user\",\"content\":\"TEXT\"}]}")]
    public async Task Post_AnothersModelDoesNotAnswer_IsAnsweredAllTheSame(string path, string body)
    {
        await using GatewayServer server = await GatewayServer.StartAsync(options => options with { MaxBodyBytes = MaxBody });
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource found = new(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Grid.Finding = (model, cancellation) =>
        {
            if (model == "scripted")
            {
                return Task.CompletedTask;
            }

            asked.SetResult();
            return found.Task.WaitAsync(cancellation);
        };
        string text = body.Replace("TEXT", new string('a', Sent), StringComparison.Ordinal);
        Task<HttpResponseMessage> stuck = server.PostAsync(path, text.Replace("MODEL", "stuck", StringComparison.Ordinal));
        await asked.Task.WaitAsync(Patience);

        using HttpResponseMessage response =
            await server.PostAsync(path, text.Replace("MODEL", "scripted", StringComparison.Ordinal)).WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode); // too long for the model
        found.SetResult();
        using HttpResponseMessage missing = await stuck.WaitAsync(Patience);
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
    }

    [Fact]
    public async Task Post_ClientLeavesInTheMiddleOfABody_IsNoFailureOfTheServer()
    {
        await using GatewayServer server = await StartAsync();
        for (int i = 0; i < 20; i++)
        {
            using Socket socket = await BeginAsync(server, 5);
            socket.LingerState = new LingerOption(enable: i % 2 == 0, seconds: 0);
        }

        // The same server goes on, and has taken note of all of them.
        await server.Http.GetStringAsync("/health");
        await Task.Delay(TimeSpan.FromSeconds(1));
        AssertNoErrors(server);
    }

    [Theory]
    [InlineData("FFFFFFFFFFFFFFFF")]
    [InlineData("7FFFFFFFFFFFFFFFF")]
    [InlineData("zz")]
    public async Task Post_ChunkSizeThatIsNone_400(string size)
    {
        await using GatewayServer server = await StartAsync();
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, server.Http.BaseAddress!.Port);
        await SendAsync(socket, $"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", await ReadAsync(socket));
        AssertNoErrors(server);
    }

    [Fact]
    public async Task Stop_BodiesThatDoNotEnd_EndAtOnce()
    {
        GatewayServer server = await StartAsync();
        await using (server)
        {
            using Socket socket = await BeginAsync(server, 5);
            Task<string> answer = ReadAsync(socket);
            Assert.False(answer.IsCompleted);
            server.Stop();
            Assert.StartsWith("HTTP/1.1 503 ", await answer);
        }
    }

    private static void AssertNoErrors(GatewayServer server)
    {
        string? error = server.Log.Lines.FirstOrDefault(line => line.StartsWith("Error", StringComparison.Ordinal));
        Assert.True(error is null, error);
    }

    private static string Body(int bytes) => new('a', bytes);

    private static async Task SendAsync(Socket socket, string text)
    {
        using CancellationTokenSource limit = new(Patience);
        ReadOnlyMemory<byte> left = Encoding.ASCII.GetBytes(text);
        while (left.Length > 0)
        {
            left = left[await socket.SendAsync(left, limit.Token)..];
        }
    }

    // One answer, which has no more than one piece.
    private static async Task<string> ReadAsync(Socket socket)
    {
        using CancellationTokenSource limit = new(Patience);
        byte[] bytes = new byte[16 << 10];
        int length = 0;
        while (true)
        {
            int read = await socket.ReceiveAsync(bytes.AsMemory(length), limit.Token);
            length += read;
            string text = Encoding.ASCII.GetString(bytes, 0, length);
            if (read == 0 || text.EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal))
            {
                return text;
            }
        }
    }

    private static async Task<Socket> BeginAsync(GatewayServer server, int bytes)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, server.Http.BaseAddress!.Port);
        await SendAsync(
            socket,
            $"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Announced}\r\n\r\n");
        await SendAsync(socket, Body(bytes));
        return socket;
    }

    /// <summary>The code of the error that a large request ends with: it is far too long for the model, or not even read.</summary>
    private static async Task<string?> PostLargeAsync(GatewayServer server)
    {
        using HttpResponseMessage response = await server.PostAsync("/v1/completions", Large);
        return (string?)(await GatewayServer.ReadErrorAsync(response)).Error["code"];
    }

    private Task<GatewayServer> StartAsync() => GatewayServer.StartAsync(options => options with { MaxBodyBytes = MaxBody }, _time);

    /// <summary>Begins uploads until there is no room for another large request.</summary>
    private async Task FillAsync(GatewayServer server)
    {
        while (await PostLargeAsync(server) != "too_many_large_requests")
        {
            Assert.True(_sockets.Count < MostUploads, "There is no limit.");
            _sockets.Add(await BeginAsync(server, Sent));
        }
    }
}
