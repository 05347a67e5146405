using Microsoft.Extensions.Time.Testing;
using ServingGrid.Gateway.Http;

namespace ServingGrid.Gateway.Tests.Http;

public sealed class LargeRequestsTests
{
    private const int MaxBody = 1 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider _time = new();

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
    public async Task AwaitAsync_TheAnswerTakesLong_OthersHaveTheirTurnMeanwhile()
    {
        using var large = new LargeRequests(MaxBody, _time);
        using LargeRequestTurn first = await large.EnterAsync(MaxBody, default);
        TaskCompletionSource<int> answer = new();
        Task<int> waiting = first.AwaitAsync(answer.Task, default);
        Task<LargeRequestTurn> second = large.EnterAsync(MaxBody, default).AsTask();
        Assert.False(second.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        LargeRequestTurn turn = await second.WaitAsync(Patience);

        answer.SetResult(7);
        Task<LargeRequestTurn> third = large.EnterAsync(MaxBody, default).AsTask();
        turn.Dispose();
        Assert.Equal(7, await waiting.WaitAsync(Patience));
        Assert.False(third.IsCompleted); // it has its turn again
        first.Dispose();
        (await third.WaitAsync(Patience)).Dispose();
    }

    [Fact]
    public async Task AwaitAsync_TheAnswerFailsOrTheClientLeaves_TheTurnIsGivenBackOnce()
    {
        using var large = new LargeRequests(MaxBody, _time);
        using (LargeRequestTurn turn = await large.EnterAsync(MaxBody, default))
        {
            Task<int> failed = Task.FromException<int>(new FormatException());
            await Assert.ThrowsAsync<FormatException>(() => turn.AwaitAsync(failed, default));
        }

        using var left = new CancellationTokenSource();
        using (LargeRequestTurn turn = await large.EnterAsync(MaxBody, default))
        {
            TaskCompletionSource<int> answer = new();
            Task<int> waiting = turn.AwaitAsync(answer.Task, left.Token);
            _time.Advance(TimeSpan.FromSeconds(1));
            await left.CancelAsync();
            answer.SetCanceled(left.Token);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }

        LargeRequestTurn last = await large.EnterAsync(MaxBody, default).AsTask().WaitAsync(Patience);
        Assert.False(large.EnterAsync(MaxBody, default).IsCompleted);
        last.Dispose();
    }

    [Fact]
    public void TryHold_BudgetIsUsedUp_RefusesUntilSomeIsGivenBack()
    {
        using var large = new LargeRequests(MaxBody, _time);
        List<Upload> uploads = Fill(large);
        Assert.True(uploads.Count >= 6, $"{uploads.Count}");
        using Upload last = large.Begin();
        Assert.False(last.TryHold(1));
        uploads[0].Dispose();
        Assert.True(last.TryHold(MaxBody));
        uploads[1].Dispose();
        Assert.True(last.TryHold(2 * MaxBody));
        Assert.False(last.TryHold((2 * MaxBody) + 1));
        uploads.ForEach(upload => upload.Dispose());
    }

    [Fact]
    public void TryHold_BudgetIsUsedUpByThoseThatAreSlow_TheOldestOfThemMakesRoom()
    {
        using var large = new LargeRequests(MaxBody, _time);
        List<Upload> uploads = Fill(large);
        uploads.ForEach(upload => upload.Advance(8 * MaxBody)); // a burst pays for no more than some seconds
        Assert.True(uploads[0].TryComplete());
        _time.Advance(TimeSpan.FromSeconds(3));
        uploads[1].Advance(MaxBody);
        _time.Advance(TimeSpan.FromSeconds(3));

        using Upload first = large.Begin();
        using Upload second = large.Begin();
        Assert.True(first.TryHold(MaxBody));
        Assert.True(second.TryHold(MaxBody));
        Assert.Equal([2, 3], Enumerable.Range(0, uploads.Count).Where(i => uploads[i].HasEnded));
        Assert.False(uploads[2].TryComplete());
        Assert.False(uploads[3].TryHold(2 * MaxBody));
        Assert.True(uploads[4].TryComplete());

        // What has made room gives it back no second time.
        uploads[2].Dispose();
        uploads[3].Dispose();
        using Upload third = large.Begin();
        Assert.True(third.TryHold(MaxBody));
        Assert.True(uploads[5].HasEnded);
        uploads.ForEach(upload => upload.Dispose());
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(8192, true)]
    public void Advance_FewBytesASecond_EndsWhoIsTooSlow(int bytesPerSecond, bool lives)
    {
        using var large = new LargeRequests(MaxBody, _time);
        using Upload upload = large.Begin();
        upload.Advance(64 * MaxBody);
        for (int i = 0; i < 60 && !upload.HasEnded; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            upload.Advance(bytesPerSecond);
        }

        Assert.Equal(lives, !upload.HasEnded);
        Assert.Equal(lives, upload.TryComplete());
    }

    [Fact]
    public void TryComplete_ThenALongTime_IsNotEnded()
    {
        using var large = new LargeRequests(MaxBody, _time);
        using Upload upload = large.Begin();
        Assert.True(upload.TryComplete());
        _time.Advance(TimeSpan.FromHours(1));
        Assert.False(upload.HasEnded);
    }

    private static List<Upload> Fill(LargeRequests large)
    {
        List<Upload> uploads = [];
        while (true)
        {
            Upload upload = large.Begin();
            if (!upload.TryHold(MaxBody))
            {
                upload.Dispose();
                return uploads;
            }

            uploads.Add(upload);
            Assert.True(uploads.Count < 1000, "There is no limit.");
        }
    }
}
