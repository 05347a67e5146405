using ServingGrid.Gateway.Http;

namespace ServingGrid.Gateway.Tests.Http;

public sealed class LargeRequestsTests
{
    private const int MaxBody = 1 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task EnterAsync_OneLargeAtWork_SmallOnesDoNotWaitAndLargeOnesDo()
    {
        using var large = new LargeRequests(MaxBody, TimeProvider.System);
        LargeRequestTurn first = await large.EnterAsync(MaxBody, default);
        using (await large.EnterAsync(LargeRequests.SmallBytes, default).AsTask().WaitAsync(Patience))
        {
        }

        Task<LargeRequestTurn> second = large.EnterAsync(LargeRequests.SmallBytes + 1, default).AsTask();
        Assert.False(second.IsCompleted);
        first.Dispose();
        (await second.WaitAsync(Patience)).Dispose();
    }

    [Fact]
    public async Task EnterAsync_ClientLeavesTheQueue_TheNextHasItsTurn()
    {
        using var large = new LargeRequests(MaxBody, TimeProvider.System);
        LargeRequestTurn first = await large.EnterAsync(MaxBody, default);
        using var left = new CancellationTokenSource();
        Task second = large.EnterAsync(MaxBody, left.Token).AsTask();
        Task<LargeRequestTurn> third = large.EnterAsync(MaxBody, default).AsTask();
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        first.Dispose();
        (await third.WaitAsync(Patience)).Dispose();
    }

    [Fact]
    public async Task RunAsync_LargeRequest_OffThePoolAndItsFailureIsTheCallers()
    {
        using var large = new LargeRequests(MaxBody, TimeProvider.System);
        using LargeRequestTurn turn = await large.EnterAsync(MaxBody, default);
        Assert.False(await turn.RunAsync(() => Thread.CurrentThread.IsThreadPoolThread));
        await Assert.ThrowsAsync<FormatException>(() => turn.RunAsync<int>(() => throw new FormatException()));
    }

    [Fact]
    public void TryHold_BudgetIsUsedUp_RefusesUntilSomeIsGivenBack()
    {
        using var large = new LargeRequests(MaxBody, TimeProvider.System);
        int held = 0;
        while (large.TryHold(MaxBody))
        {
            Assert.True(++held < 1000, "There is no limit.");
        }

        Assert.True(held >= 6, $"{held}");
        large.Release(MaxBody);
        Assert.True(large.TryHold(MaxBody));
        Assert.False(large.TryHold(1));
    }
}
