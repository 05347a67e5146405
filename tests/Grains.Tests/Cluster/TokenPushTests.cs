using System.Collections.Concurrent;
using System.Diagnostics;
using ServingGrid.Client;
using ServingGrid.Client.Placement;
using ServingGrid.Grains.Requests;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>The two ways of a token from a silo to its client: pushed at once, and with the heartbeats of the stream.</summary>
public sealed class TokenPushTests(SingleSilo silo) : IClassFixture<SingleSilo>
{
    private readonly GridCluster _cluster = silo.Cluster;

    [Fact]
    public async Task Generate_WithASink_TokensArePushedAndTheStreamIsComplete()
    {
        Inbox inbox = new();
        List<GenerateUpdate> items = await Run(inbox, 7, 200);
        int[] streamed = [.. items.SelectMany(item => item.Tokens).Select(token => token.Token)];

        Assert.Equal(200, streamed.Length);
        Assert.Equal(FinishReason.Length, items[^1].Finish);
        Assert.NotEmpty(inbox.Received);
        Assert.All(inbox.Received, item => Assert.Equal(7, item.Stream));
        Assert.All(inbox.Received, item => Assert.Equal(streamed[item.First..(item.First + item.Tokens.Length)], item.Tokens.Select(token => token.Token)));

        // Far fewer items than tokens: what follows the first comes with the heartbeats and the end.
        Assert.InRange(items.Count, 2, 100);
        await _cluster.AssertIdle();
    }

    [Fact]
    public async Task Generate_SinkIsGone_TheStreamHasEveryToken()
    {
        (int[] expected, _) = await _cluster.Run(GridCluster.Request(GridCluster.Prompt(30, 61), 100));
        List<GenerateUpdate> items = await Run(new Inbox(), 7, 100, forget: true);

        Assert.Equal(expected, items.SelectMany(item => item.Tokens).Select(token => token.Token));
        await _cluster.AssertIdle();
    }

    [Fact]
    public async Task GenerateAsync_Client_TokensComeInManyItems()
    {
        const int Tokens = 1500;
        long start = Stopwatch.GetTimestamp();
        List<TextUpdate> updates = await _cluster.Client.GenerateAsync(GridCluster.Request(GridCluster.Prompt(30, 62), Tokens)).ToListAsync();

        // With heartbeats alone there would be the first, one after each of them, and the end. A client that is slower than the engine gets several tokens at a time.
        int heartbeats = (int)(Stopwatch.GetElapsedTime(start) / RequestGrain.Heartbeat);
        Assert.Equal(Tokens, updates.Sum(update => update.Tokens.Count));
        Assert.InRange(updates.Count, heartbeats + 10, Tokens + 1);
    }

    private async Task<List<GenerateUpdate>> Run(Inbox inbox, long stream, int tokens, bool forget = false)
    {
        GenerateRequest request = GridCluster.Request(GridCluster.Prompt(30, 61), tokens);
        ITokenSink sink = _cluster.Grains.CreateObjectReference<ITokenSink>(inbox);
        if (forget)
        {
            _cluster.Grains.DeleteObjectReference<ITokenSink>(sink);
        }

        GenerateAttempt attempt = new() { Request = request, Push = new TokenRoute(sink, stream) };
        PlacementHints.Set(request.Model, request.Prompt.Length, [], []);
        List<GenerateUpdate> items = await _cluster.Grains.GetGrain<IRequestGrain>($"{request.RequestId}/0").Generate(attempt).ToListAsync();
        PlacementHints.Clear();
        GC.KeepAlive(inbox);
        return items;
    }

    private sealed class Inbox : ITokenSink
    {
        public ConcurrentQueue<PushedTokens> Received { get; } = new();

        public void Push(PushedTokens[] tokens)
        {
            foreach (PushedTokens item in tokens)
            {
                Received.Enqueue(item);
            }
        }
    }
}
