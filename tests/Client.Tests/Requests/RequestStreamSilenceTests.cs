using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Tests.Requests;

/// <summary>Attempts that show nothing: they are given up, or others are started beside them.</summary>
public sealed class RequestStreamSilenceTests : RequestStreamScripts
{
    private static readonly GridClientOptions Hedged = new() { HedgeAfter = TimeSpan.FromMilliseconds(100), StartTimeout = TimeSpan.FromSeconds(60) };

    [Fact]
    public async Task Read_SiloIsSilent_GivenUpAfterTheStallTimeout()
    {
        List<GenerateUpdate> items = await ReadUntilAttempt(
            1, attempt => attempt.Number == 0 ? [Tokens(1), Timeout.InfiniteTimeSpan] : [Tokens(2), Finish(FinishReason.Stop)], TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3));

        Assert.Equal([1, 2], items.SelectMany(item => item.Tokens).Select(token => token.Token));
    }

    [Fact]
    public async Task Read_NextAttemptIsSilent_AnotherIsStartedBesideIt()
    {
        List<GenerateUpdate> items = await ReadUntilAttempt(
            2,
            attempt => attempt.Number switch
            {
                0 => [Tokens(1), new TimeoutException()],
                1 => [Timeout.InfiniteTimeSpan],
                _ => [Tokens(2), Finish(FinishReason.Stop)],
            },
            TimeSpan.FromSeconds(1),
            TimeSpan.FromSeconds(1.5));

        Assert.Equal([1, 2], items.SelectMany(item => item.Tokens).Select(token => token.Token));
    }

    [Fact]
    public async Task Read_FirstAttemptsAreSilent_TheThirdServesAndTheOthersAreCancelled()
    {
        List<GenerateUpdate> items = await ReadUntilAttempt(
            2,
            attempt => attempt.Number < 2 ? [Timeout.InfiniteTimeSpan] : [On("c"), Tokens(1, 2), Finish(FinishReason.Stop)],
            TimeSpan.FromSeconds(2),
            TimeSpan.FromSeconds(2.5));

        Assert.Equal([1, 2], items.SelectMany(item => item.Tokens).Select(token => token.Token));
        Assert.Equal([0, 1, 2], Attempts.Select(attempt => attempt.Number));
        Assert.All(Attempts, attempt => Assert.Empty(attempt.Generated));
        await UntilCancelled(2);
    }

    [Fact]
    public async Task Read_PlacedAndSilent_AnotherAnswersFirst()
    {
        List<GenerateUpdate> items = await Read(
            attempt => attempt.Number == 0 ? [Placed("a"), Timeout.InfiniteTimeSpan] : [On("b"), Tokens(1), Finish(FinishReason.Stop)],
            Hedged).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal([1], items.SelectMany(item => item.Tokens).Select(token => token.Token));
    }

    [Fact]
    public async Task Read_AnswerIsLateButFirst_ItIsReadAndTheOtherCancelled()
    {
        TaskCompletionSource second = new();
        List<GenerateUpdate> items = await Read(
            attempt =>
            {
                if (attempt.Number == 0)
                {
                    return [second.Task, Tokens(1), Finish(FinishReason.Stop)];
                }

                second.TrySetResult();
                return [Timeout.InfiniteTimeSpan];
            },
            Hedged).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal([1], items.SelectMany(item => item.Tokens).Select(token => token.Token));
        Assert.InRange(Attempts.Count, 2, AttemptRace.Most);
        await UntilCancelled(Attempts.Count - 1);
    }

    [Fact]
    public async Task Read_OneIsSilentAndTheOtherRefused_TheSilentOneMayStillAnswer()
    {
        TaskCompletionSource third = new();
        List<GenerateUpdate> items = await Read(
            attempt =>
            {
                if (attempt.Number == 2)
                {
                    third.TrySetResult();
                }

                return attempt.Number == 0 ? [third.Task, Tokens(1), Finish(FinishReason.Stop)] : [new GridException(GridError.Overloaded, "full")];
            },
            Hedged).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal([1], items.SelectMany(item => item.Tokens).Select(token => token.Token));
    }

    [Fact]
    public async Task Read_OneIsSilentAndTheOtherFindsTheRequestWrong_ThrowsAtOnce()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(
            attempt => attempt.Number == 0 ? [Timeout.InfiniteTimeSpan] : [new GridException(GridError.InvalidRequest, "wrong")], Hedged)
            .WaitAsync(TimeSpan.FromSeconds(30)));

        Assert.Equal(GridError.InvalidRequest, failure.Error);
    }

    [Fact]
    public async Task Read_NoHedging_WaitsForTheFirstAttempt()
    {
        TaskCompletionSource answer = new();
        FakeTimeProvider time = new();
        Task<List<GenerateUpdate>> read = Read(
            _ => [answer.Task, Tokens(1), Finish(FinishReason.Stop)], new GridClientOptions { HedgeAfter = null, StartTimeout = TimeSpan.FromSeconds(60) }, time);
        time.Advance(TimeSpan.FromSeconds(59));
        answer.SetResult();

        Assert.Single((await read.WaitAsync(TimeSpan.FromSeconds(30)))[0].Tokens);
        Assert.Single(Attempts);
    }

    [Fact]
    public async Task Read_SilentToTheLastAttempt_NoMoreThanAllowedAreStarted()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(
            _ => [Timeout.InfiniteTimeSpan],
            new GridClientOptions { HedgeAfter = TimeSpan.FromMilliseconds(100), StartTimeout = TimeSpan.FromSeconds(1), MaxAttempts = 2 })
            .WaitAsync(TimeSpan.FromSeconds(30)));

        Assert.Equal(GridError.Unavailable, failure.Error);
        Assert.Equal(2, Attempts.Count);
    }

    /// <summary>Lets the stream's own time pass until an attempt begins, which must take between these times; that attempt has all the time that it needs.</summary>
    private async Task<List<GenerateUpdate>> ReadUntilAttempt(int number, Func<GenerateAttempt, object[]> script, TimeSpan from, TimeSpan within)
    {
        FakeTimeProvider time = new();
        GridClientOptions patience = new() { StallTimeout = TimeSpan.FromSeconds(2), StartTimeout = TimeSpan.FromSeconds(60) };
        Task<List<GenerateUpdate>> read = Read(script, patience, time);
        long start = time.GetTimestamp();
        while (Begun <= number)
        {
            Assert.False(read.IsCompleted);
            time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Delay(1);
        }

        Assert.InRange(time.GetElapsedTime(start), from, within);
        return await read;
    }

    private async Task UntilCancelled(int attempts)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (Cancelled < attempts)
        {
            await Task.Delay(1, patience.Token);
        }
    }
}
