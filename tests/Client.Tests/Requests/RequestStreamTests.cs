using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Tests.Requests;

public sealed class RequestStreamTests
{
    private static readonly GenerateUsage Usage = new() { PromptTokens = 99, CachedTokens = 2, CompletionTokens = 99 };

    private static readonly GridClientOptions Hedged = new() { HedgeAfter = TimeSpan.FromMilliseconds(100), StartTimeout = TimeSpan.FromSeconds(60) };

    private readonly List<GenerateAttempt> _attempts = [];
    private int _begun;
    private int _cancelled;

    [Theory]
    [InlineData(typeof(TimeoutException))]
    [InlineData(typeof(OperationCanceledException))]
    [InlineData(typeof(Orleans.Runtime.SiloUnavailableException))]
    public async Task Read_SiloLost_NextAttemptCarriesTheTokensAndAvoidsTheDevice(Type failure)
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number switch
        {
            0 => [On("a"), Tokens(1, 2), new GenerateUpdate(), (Exception)Activator.CreateInstance(failure)!],
            _ => [On("b"), Tokens(3), Finish(FinishReason.Stop)],
        });

        Assert.Equal([1, 2, 3], items.SelectMany(item => item.Tokens).Select(token => token.Token));
        Assert.Equal([1, 2], _attempts[1].Generated);
        Assert.Equal(["a"], _attempts[1].Avoid);
        Assert.Equal(FinishReason.Stop, items[^1].Finish);
        Assert.Equal(new GenerateUsage { PromptTokens = 3, CachedTokens = 2, CompletionTokens = 3 }, items[^1].Usage);
    }

    [Fact]
    public async Task Read_StreamEndsWithoutFinish_GoesOnElsewhere()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number == 0 ? [Tokens(1)] : [Tokens(2), Finish(FinishReason.Length)]);

        Assert.Equal([1, 2], items.SelectMany(item => item.Tokens).Select(token => token.Token));
    }

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
        Assert.Equal([0, 1, 2], _attempts.Select(attempt => attempt.Number));
        Assert.All(_attempts, attempt => Assert.Empty(attempt.Generated));
        await UntilCancelled(2);
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
        Assert.InRange(_attempts.Count, 2, AttemptRace.Most);
        await UntilCancelled(_attempts.Count - 1);
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
        Assert.Single(_attempts);
    }

    [Fact]
    public async Task Read_SilentToTheLastAttempt_NoMoreThanAllowedAreStarted()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(
            _ => [Timeout.InfiniteTimeSpan],
            new GridClientOptions { HedgeAfter = TimeSpan.FromMilliseconds(100), StartTimeout = TimeSpan.FromSeconds(1), MaxAttempts = 2 })
            .WaitAsync(TimeSpan.FromSeconds(30)));

        Assert.Equal(GridError.Unavailable, failure.Error);
        Assert.Equal(2, _attempts.Count);
    }

    [Fact]
    public async Task Read_LostAfterTheLastToken_EndsWithoutAnotherAttempt()
    {
        List<GenerateUpdate> items = await Read(_ => [Tokens(1, 2, 3, 4, 5), new TimeoutException()]);

        Assert.Single(_attempts);
        Assert.Equal(FinishReason.Length, items[^1].Finish);
        Assert.Equal(5, items[^1].Usage!.CompletionTokens);
    }

    [Fact]
    public async Task Read_OverloadedAtOnce_Throws()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(_ => [new GridException(GridError.Overloaded, "full")]));

        Assert.Equal(GridError.Overloaded, failure.Error);
        Assert.Single(_attempts);
    }

    [Fact]
    public async Task Read_OneQueueFull_AsksAnotherAtOnce()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Avoid.Contains("a")
            ? [On("b"), Tokens(1), Finish(FinishReason.Stop)]
            : [new GridException(GridError.Overloaded, "full") { Device = "a" }]);

        Assert.Equal([1], items.SelectMany(item => item.Tokens).Select(token => token.Token));
        Assert.Equal(["a"], _attempts[1].Avoid);
    }

    [Fact]
    public async Task Read_EveryQueueFull_OverloadedAsSoonAsOneSaysSoTwice()
    {
        string[] devices = ["a", "b"];
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(
            attempt => [new GridException(GridError.Overloaded, "full") { Device = devices.FirstOrDefault(device => !attempt.Avoid.Contains(device)) ?? "a" }]));

        Assert.Equal(GridError.Overloaded, failure.Error);
        Assert.Equal(3, _attempts.Count);
    }

    [Fact]
    public async Task Read_OverloadedWhileResuming_TriesAgain()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number switch
        {
            0 => [Tokens(1), new TimeoutException()],
            1 => [new GridException(GridError.Overloaded, "full")],
            _ => [Tokens(2), Finish(FinishReason.Stop)],
        });

        Assert.Equal([1, 2], items.SelectMany(item => item.Tokens).Select(token => token.Token));
    }

    [Fact]
    public async Task Read_NoSiloAnswers_UnavailableAfterTheLastAttempt()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(
            () => Read(_ => [new GridException(GridError.Unavailable, "nobody")], new GridClientOptions { MaxAttempts = 3 }));

        Assert.Equal(GridError.Unavailable, failure.Error);
        Assert.Equal([0, 1, 2], _attempts.Select(attempt => attempt.Number));
    }

    [Fact]
    public async Task Read_DefectInTheGrid_InternalAtOnce()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(_ => [Tokens(1), new InvalidDataException("broken")]));

        Assert.Equal(GridError.Internal, failure.Error);
        Assert.Single(_attempts);
    }

    [Fact]
    public async Task Read_ConsumerLeaves_TheAttemptIsCancelled()
    {
        TaskCompletionSource cancelled = new();
        RequestStream stream = New((_, _, cancellation) => Endless(cancelled, cancellation));
        await foreach (GenerateUpdate _ in stream.Read(Request, CancellationToken.None))
        {
            break;
        }

        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    private static GenerateRequest Request => new()
    {
        RequestId = "r",
        Model = "m",
        Prompt = [1, 2, 3],
        MaxTokens = 5,
        Sampling = new SamplingOptions { Seed = 1 },
    };

    private static GenerateUpdate On(string device) => new() { Device = device };

    private static GenerateUpdate Tokens(params int[] tokens) => new() { Tokens = [.. tokens.Select(token => new GeneratedToken(token))] };

    private static GenerateUpdate Finish(FinishReason reason) => new() { Finish = reason, Usage = Usage };

    private static RequestStream New(StartAttempt start, GridClientOptions? options = null, TimeProvider? time = null) =>
        new(start, options ?? new GridClientOptions(), time ?? TimeProvider.System, NullLogger.Instance);

    private static async IAsyncEnumerable<GenerateUpdate> Endless(TaskCompletionSource left, [EnumeratorCancellation] CancellationToken cancellation)
    {
        try
        {
            yield return Tokens(1);
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
        }
        finally
        {
            left.SetResult();
        }
    }

    /// <summary>A script for each attempt: items, exceptions to throw, times to wait.</summary>
    private async Task<List<GenerateUpdate>> Read(Func<GenerateAttempt, object[]> script, GridClientOptions? options = null, TimeProvider? time = null)
    {
        RequestStream stream = New(
            (attempt, _, cancellation) =>
            {
                _attempts.Add(attempt);
                Interlocked.Increment(ref _begun);
                return Play(script(attempt), cancellation);
            },
            options,
            time);
        return await stream.Read(Request, CancellationToken.None).ToListAsync();
    }

    /// <summary>Lets the stream's own time pass until an attempt begins, which must take between these times; that attempt has all the time that it needs.</summary>
    private async Task<List<GenerateUpdate>> ReadUntilAttempt(int number, Func<GenerateAttempt, object[]> script, TimeSpan from, TimeSpan within)
    {
        FakeTimeProvider time = new();
        GridClientOptions patience = new() { StallTimeout = TimeSpan.FromSeconds(2), StartTimeout = TimeSpan.FromSeconds(60) };
        Task<List<GenerateUpdate>> read = Read(script, patience, time);
        long start = time.GetTimestamp();
        while (Volatile.Read(ref _begun) <= number)
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
        while (Volatile.Read(ref _cancelled) < attempts)
        {
            await Task.Delay(1, patience.Token);
        }
    }

    private async IAsyncEnumerable<GenerateUpdate> Play(object[] script, [EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (object step in script)
        {
            switch (step)
            {
                case GenerateUpdate update:
                    yield return update;
                    break;
                case TimeSpan wait:
                    await Task.Delay(wait, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    if (cancellation.IsCancellationRequested)
                    {
                        Interlocked.Increment(ref _cancelled);
                    }

                    cancellation.ThrowIfCancellationRequested();
                    break;
                case Task signal:
                    await signal;
                    break;
                default:
                    throw (Exception)step;
            }

            await Task.Yield();
        }
    }
}
