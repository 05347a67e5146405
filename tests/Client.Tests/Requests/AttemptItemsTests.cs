using CsCheck;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Tests.Requests;

public sealed class AttemptItemsTests
{
    private readonly AttemptItems _items = new(TimeProvider.System);

    [Fact]
    public void Add_Placed_KnownAndNotHandedOn()
    {
        SiloAddress silo = SiloAddress.New(System.Net.IPAddress.Loopback, 1, 1);
        _items.Add(new GenerateUpdate { Device = "d", Placed = silo });

        Assert.Equal(("d", silo, TimeSpan.Zero), (_items.Device, _items.Silo, _items.Lived));
        Assert.False(_items.Reader.TryRead(out _));
    }

    [Fact]
    public void Push_AheadOfTheStream_DeliveredOnce()
    {
        _items.Add(new GenerateUpdate { Device = "d" });
        _items.Push(0, Tokens(0, 1));
        _items.Push(1, Tokens(1, 2));
        _items.Add(new GenerateUpdate { Tokens = Tokens(0, 3) });

        Assert.Equal([[], [0], [1, 2], []], Read());
    }

    [Fact]
    public void Push_FirstTokens_BringTheirClass()
    {
        _items.Push(1, Tokens(1, 1));
        _items.Push(0, Tokens(0, 1), "x");

        Assert.Equal(["x", null], ReadItems().Select(item => item.Numerics));
    }

    [Fact]
    public void Push_Overtakes_HeldUntilTheOthersCome()
    {
        _items.Push(1, Tokens(1, 1));
        Assert.Empty(Read());
        _items.Push(0, Tokens(0, 1));

        Assert.Equal([[0], [1]], Read());
    }

    [Fact]
    public void Add_APushWasLost_ItsTokensAndThoseHeldFollow()
    {
        _items.Push(0, Tokens(0, 2));
        _items.Push(3, Tokens(3, 3));
        _items.Add(new GenerateUpdate { Tokens = Tokens(0, 4) });

        Assert.Equal([[0, 1], [2, 3], [4, 5]], Read());
    }

    [Fact]
    public void Add_FinishWithTokensThatWerePushed_KeepsTheFinish()
    {
        GenerateUsage usage = new() { PromptTokens = 1, CachedTokens = 0, CompletionTokens = 2 };
        _items.Push(0, Tokens(0, 2));
        _items.Add(new GenerateUpdate { Tokens = Tokens(0, 2), Finish = FinishReason.Length, Usage = usage });
        _items.Push(1, Tokens(1, 1));

        Assert.Equal(2, Assert.Single(ReadItems(), item => item.Finish is null).Tokens.Count);
        Assert.Empty(ReadItems());
    }

    [Fact]
    public async Task Complete_Failed_ThrownAfterWhatCameBefore()
    {
        _items.Push(0, Tokens(0, 1));
        _items.Complete(new TimeoutException());
        _items.Push(1, Tokens(1, 1));

        Assert.Equal([[0]], Read());
        await Assert.ThrowsAsync<TimeoutException>(async () => await _items.Reader.WaitToReadAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>Whatever pushes are lost, doubled or late: the stream's tokens, in order, each once.</summary>
    [Fact]
    public void Items_AnyInterleaving_EveryTokenOnceAndInOrder() => Gen.Select(
        Gen.Int[1, 4].Array[1, 12],
        Gen.Int[0, 12].Array[0, 30],
        Gen.Int[0, 30].Array[1, 6]).Sample((sizes, pushes, pulls) =>
        {
            AttemptItems items = new(TimeProvider.System);
            int[] starts = [.. sizes.Select((_, i) => sizes[..i].Sum())];
            int total = sizes.Sum(), streamed = 0, pull = 0;
            for (int i = 0; i < pushes.Length; i++)
            {
                if (pushes[i] < sizes.Length)
                {
                    items.Push(starts[pushes[i]], Tokens(starts[pushes[i]], sizes[pushes[i]]));
                }

                if (pull < pulls.Length && pulls[pull] <= i)
                {
                    int end = Math.Min(total, streamed + pulls[pull++]);
                    items.Add(new GenerateUpdate { Tokens = Tokens(streamed, end - streamed) });
                    streamed = end;
                }
            }

            items.Add(new GenerateUpdate { Tokens = Tokens(streamed, total - streamed), Finish = FinishReason.Length });
            List<int> seen = [];
            while (items.Reader.TryRead(out GenerateUpdate? item))
            {
                seen.AddRange(item.Tokens.Select(token => token.Token));
            }

            Assert.Equal(Enumerable.Range(0, total), seen);
        });

    private static GeneratedToken[] Tokens(int first, int count) => [.. Enumerable.Range(first, count).Select(token => new GeneratedToken(token))];

    private List<GenerateUpdate> ReadItems()
    {
        List<GenerateUpdate> items = [];
        while (_items.Reader.TryRead(out GenerateUpdate? item))
        {
            items.Add(item);
        }

        return items;
    }

    private int[][] Read() => [.. ReadItems().Select(item => item.Tokens.Select(token => token.Token).ToArray())];
}
