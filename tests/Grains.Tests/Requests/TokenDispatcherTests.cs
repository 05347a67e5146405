using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Requests;
using ServingGrid.Grains.Status;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Requests;

public sealed class TokenDispatcherTests
{
    private readonly TokenDispatcher _dispatcher = new(NullLogger<TokenDispatcher>.Instance);
    private readonly RequestsInFlight _requests = new(TimeProvider.System);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wake_SeveralStreamsOfAClient_OneMessage()
    {
        Sink sink = new(), other = new();
        ChannelWriter<SequenceUpdate> a = Open(sink, 1), b = Open(sink, 2), c = Open(other, 3);
        Publish(a, 10);
        Publish(b, 20);
        Publish(c, 30);
        _dispatcher.Wake();

        PushedTokens[] message = await sink.Next();
        Assert.Equal([(1, 10), (2, 20)], message.OrderBy(item => item.Stream).Select(item => (item.Stream, Assert.Single(item.Tokens).Token)));
        Assert.Equal(3, Assert.Single(await other.Next()).Stream);
    }

    [Fact]
    public async Task Wake_FromManyThreads_EveryTokenOnceAndInOrder()
    {
        Sink sink = new();
        ChannelWriter<SequenceUpdate> writer = Open(sink, 1);
        for (int i = 0; i < 2000; i++)
        {
            Publish(writer, i);
            _dispatcher.Wake();
            if (i % 100 == 0)
            {
                await Task.Yield();
            }
        }

        List<int> tokens = [];
        while (tokens.Count < 2000)
        {
            PushedTokens item = Assert.Single(await sink.Next());
            Assert.Equal(tokens.Count, item.First);
            tokens.AddRange(item.Tokens.Select(token => token.Token));
        }

        Assert.Equal(Enumerable.Range(0, 2000), tokens);
    }

    [Fact]
    public async Task Wake_AClientCannotBeReached_TheOthersGetTheirTokens()
    {
        Sink sink = new();
        ChannelWriter<SequenceUpdate> lost = Open(new Unreachable(), 1), writer = Open(sink, 2);
        for (int i = 0; i < 3; i++)
        {
            Publish(lost, i);
            Publish(writer, i);
            _dispatcher.Wake();
            Assert.Equal(i, Assert.Single(Assert.Single(await sink.Next()).Tokens).Token);
        }
    }

    [Fact]
    public async Task Remove_ASequence_IsReadNoMore()
    {
        Sink sink = new();
        ChannelWriter<SequenceUpdate> removed = Open(sink, 1, out SequenceReader reader), writer = Open(sink, 2);
        _dispatcher.Remove(reader);
        Publish(removed, 1);
        Publish(writer, 2);
        _dispatcher.Wake();

        Assert.Equal(2, Assert.Single(await sink.Next()).Stream);
    }

    private ChannelWriter<SequenceUpdate> Open(ITokenSink sink, long stream) => Open(sink, stream, out _);

    private ChannelWriter<SequenceUpdate> Open(ITokenSink sink, long stream, out SequenceReader reader)
    {
        Channel<SequenceUpdate> channel = Channel.CreateUnbounded<SequenceUpdate>();
        GenerateAttempt attempt = new() { Request = new GenerateRequest { RequestId = $"{stream}", Model = "m", Prompt = [1], MaxTokens = 3 } };
        reader = new SequenceReader(
            channel.Reader, FakeDevices.Identity(1), new TokenRoute(sink, stream), _requests.Begin(attempt, forPeer: false), new RequestMetrics("m", TimeProvider.System), TimeProvider.System);
        _dispatcher.Add(reader);
        return channel.Writer;
    }

    private static void Publish(ChannelWriter<SequenceUpdate> writer, int token) => writer.TryWrite(new SequenceUpdate(new ChosenToken(token), null));

    private sealed class Sink : ITokenSink
    {
        private readonly Channel<PushedTokens[]> _messages = Channel.CreateUnbounded<PushedTokens[]>();

        public void Push(PushedTokens[] tokens) => _messages.Writer.TryWrite(tokens);

        public async Task<PushedTokens[]> Next() => await _messages.Reader.ReadAsync(Cancellation).AsTask().WaitAsync(TimeSpan.FromSeconds(60), Cancellation);
    }

    private sealed class Unreachable : ITokenSink
    {
        public void Push(PushedTokens[] tokens) => throw new InvalidOperationException("not connected");
    }
}
