using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using ServingGrid.Client.Connections;

namespace ServingGrid.Client.Tests.Connections;

public sealed class LimitedListenerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>"localhost" has two listeners: both wait for a connection while idle ones fill the port.</summary>
    [Theory]
    [InlineData(2, 2)]
    [InlineData(4, 2)]
    [InlineData(15, 2)]
    [InlineData(15, 5)]
    public async Task AcceptAsync_PortIsFullAndHasSeveralListeners_EachOfThemStillAccepts(int limit, int listeners)
    {
        ConnectionDoor door = new("test", limit, TimeProvider.System, NullLogger.Instance);
        FakeListener[] fakes = [.. Enumerable.Range(0, listeners).Select(_ => new FakeListener())];
        IConnectionListener[] guarded = [.. fakes.Select(door.Guard)];
        ValueTask<ConnectionContext?>[] accepts = [.. guarded.Select(listener => listener.AcceptAsync())];

        // The last one accepts: idle connections until the port is full and beyond, each of which takes the place of an older one.
        List<Task> closing = [];
        for (int i = 0; i < 2 * limit; i++)
        {
            fakes[^1].Connect();
            ConnectionContext connection = (await accepts[^1].AsTask().WaitAsync(Patience))!;
            Assert.NotNull(door.TryEnter(() => closing.Add(connection.DisposeAsync().AsTask())));
            accepts[^1] = guarded[^1].AcceptAsync();
        }

        for (int i = 0; i < listeners; i++)
        {
            fakes[i].Connect();
            ConnectionContext connection = (await accepts[i].AsTask().WaitAsync(Patience))!;
            Assert.NotNull(door.TryEnter(() => closing.Add(connection.DisposeAsync().AsTask())));
        }

        await Task.WhenAll(closing).WaitAsync(Patience);
    }

    [Fact]
    public async Task AcceptAsync_NobodyMakesRoom_WaitsForADescriptor()
    {
        const int Limit = 4;
        ConnectionDoor door = new("test", Limit, TimeProvider.System, NullLogger.Instance);
        FakeListener fake = new();
        IConnectionListener listener = door.Guard(fake);
        List<ConnectionContext> open = [];
        for (int i = 0; i < Limit; i++)
        {
            fake.Connect();
            open.Add((await listener.AcceptAsync())!);
        }

        fake.Connect();
        Task<ConnectionContext?> next = listener.AcceptAsync().AsTask();
        Assert.False(next.IsCompleted);
        await open[0].DisposeAsync();
        Assert.NotNull(await next.WaitAsync(Patience));
    }

    private sealed class FakeListener : IConnectionListener
    {
        private readonly Channel<ConnectionContext> _coming = Channel.CreateUnbounded<ConnectionContext>();

        public EndPoint EndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 1);

        public void Connect() => Assert.True(_coming.Writer.TryWrite(new DefaultConnectionContext()));

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) =>
            await _coming.Reader.ReadAsync(cancellationToken);

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
