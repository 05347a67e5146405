using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client.Connections;

namespace ServingGrid.Client.Tests.Connections;

public sealed class GridConnectionsTests
{
    private const int HelloBytes = 21 + 32;
    private const int AnswerBytes = 32 + 32;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider _time = new();
    private readonly Connection _connection = new();

    [Fact]
    public async Task Guard_AnotherSecret_TheRefusalArrivesBeforeTheConnectionEnds()
    {
        Task handled = Listen();
        await AnswerWronglyAsync();

        // As over a slow network: the listener has done all that it does of itself by the time that its verdict is read.
        await Task.WhenAny(handled, Task.Delay(500));
        ReadResult verdict = await _connection.ToConnector.Reader.ReadAsync().AsTask().WaitAsync(Patience);
        Assert.Equal([0], verdict.Buffer.FirstSpan.ToArray());
        Assert.True(verdict.IsCompleted);

        await _connection.ToListener.Writer.CompleteAsync();
        await handled.WaitAsync(Patience);
    }

    [Fact]
    public async Task Guard_AnotherSecretAndTheOtherSideStays_IsEndedWithItsDeadline()
    {
        Task handled = Listen();
        await AnswerWronglyAsync();
        long start = TimeProvider.System.GetTimestamp();
        while (!handled.IsCompleted)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Patience, "It waits for ever.");
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(10);
        }

        await handled;
        Assert.True(_connection.Aborted);
    }

    private async Task AnswerWronglyAsync()
    {
        ReadResult hello = await _connection.ToConnector.Reader.ReadAtLeastAsync(HelloBytes).AsTask().WaitAsync(Patience);
        Assert.Equal(HelloBytes, hello.Buffer.Length);
        _connection.ToConnector.Reader.AdvanceTo(hello.Buffer.End);
        await _connection.ToListener.Writer.WriteAsync(new byte[AnswerBytes]);
    }

    private Task Listen()
    {
        ConnectionDoor door = new("test", 4, _time, NullLogger.Instance);
        ConnectionBuilder connections = new(new NoServices());
        GridConnections.Guard(connections, door, "a secret of the test cluster", _time, new RefusalLog("test", _time, NullLogger.Instance));
        return Task.Run(() => connections.Build()(_connection));
    }

    /// <summary>A connection that forgets what has not been read when it is aborted, as sockets may.</summary>
    private sealed class Connection : DefaultConnectionContext
    {
        private volatile bool _aborted;

        public Connection() => Transport = new DuplexPipe(ToListener.Reader, ToConnector.Writer);

        public Pipe ToListener { get; } = new();

        public Pipe ToConnector { get; } = new();

        public bool Aborted => _aborted;

        public override void Abort(ConnectionAbortedException abortReason) => Abort();

        public override void Abort()
        {
            _aborted = true;
            ToConnector.Writer.Complete(new IOException("Connection reset by peer"));
        }
    }

    private sealed class DuplexPipe(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }

    private sealed class NoServices : IServiceProvider
    {
        public object? GetService(Type serviceType) => null;
    }
}
