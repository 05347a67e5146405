using System.Runtime.CompilerServices;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Tests.Requests;

/// <summary>What ends an attempt, and how the request goes on.</summary>
public sealed class RequestStreamTests : RequestStreamScripts
{
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
        Assert.Equal([1, 2], Attempts[1].Generated);
        Assert.Equal(["a"], Attempts[1].Avoid);
        Assert.Equal(FinishReason.Stop, items[^1].Finish);
        Assert.Equal(new GenerateUsage { PromptTokens = 3, CachedTokens = 2, CompletionTokens = 3 }, items[^1].Usage);
    }

    /// <summary>Where an attempt is says nothing of whether it is accepted: the gateway answers 429 only as long as none was.</summary>
    [Fact]
    public async Task Read_PlacedAndRefusedByTheOnlyDevice_Overloaded()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(
            _ => [Placed("a"), new GridException(GridError.Overloaded, "full") { Device = "a" }]));

        Assert.Equal(GridError.Overloaded, failure.Error);
        Assert.Equal(2, Attempts.Count);
        Assert.Equal(["a"], Attempts[1].Avoid);
    }

    [Fact]
    public async Task Read_StreamEndsWithoutFinish_GoesOnElsewhere()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number == 0 ? [Tokens(1)] : [Tokens(2), Finish(FinishReason.Length)]);

        Assert.Equal([1, 2], items.SelectMany(item => item.Tokens).Select(token => token.Token));
    }

    [Fact]
    public async Task Read_LostAfterTheLastToken_EndsWithoutAnotherAttempt()
    {
        List<GenerateUpdate> items = await Read(_ => [Tokens(1, 2, 3, 4, 5), new TimeoutException()]);

        Assert.Single(Attempts);
        Assert.Equal(FinishReason.Length, items[^1].Finish);
        Assert.Equal(5, items[^1].Usage!.CompletionTokens);
    }

    [Fact]
    public async Task Read_OverloadedAtOnce_Throws()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(_ => [new GridException(GridError.Overloaded, "full")]));

        Assert.Equal(GridError.Overloaded, failure.Error);
        Assert.Single(Attempts);
    }

    [Fact]
    public async Task Read_OneQueueFull_AsksAnotherAtOnce()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Avoid.Contains("a")
            ? [On("b"), Tokens(1), Finish(FinishReason.Stop)]
            : [new GridException(GridError.Overloaded, "full") { Device = "a" }]);

        Assert.Equal([1], items.SelectMany(item => item.Tokens).Select(token => token.Token));
        Assert.Equal(["a"], Attempts[1].Avoid);
    }

    [Fact]
    public async Task Read_EveryQueueFull_OverloadedAsSoonAsOneSaysSoTwice()
    {
        string[] devices = ["a", "b"];
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(
            attempt => [new GridException(GridError.Overloaded, "full") { Device = devices.FirstOrDefault(device => !attempt.Avoid.Contains(device)) ?? "a" }]));

        Assert.Equal(GridError.Overloaded, failure.Error);
        Assert.Equal(3, Attempts.Count);
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

    /// <summary>
    /// A silo that says "it waits" does all that it can for the request: when it is lost, the time before was not lost without progress.
    /// </summary>
    [Fact]
    public async Task Read_SiloLostAfterALongWaitInItsQueue_GoesOnElsewhere()
    {
        FakeTimeProvider time = new();
        TaskCompletionSource lost = new();
        object[] second = [() => time.Advance(TimeSpan.FromSeconds(1)), new GenerateUpdate()];
        Task<List<GenerateUpdate>> read = Read(
            attempt => attempt.Number == 0
                ? [On("a"), .. Enumerable.Repeat(second, 31).SelectMany(steps => steps), () => lost.SetResult(), new TimeoutException()]
                : [On("b"), Tokens(1), Finish(FinishReason.Stop)],
            new GridClientOptions { HedgeAfter = null },
            time);
        await lost.Task.WaitAsync(TimeSpan.FromSeconds(60));
        await PassTime(time, read);

        Assert.Single((await read).SelectMany(item => item.Tokens));
    }

    [Fact]
    public async Task Read_NoSiloAnswers_UnavailableAfterTheLastAttempt()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(
            () => Read(_ => [new GridException(GridError.Unavailable, "nobody")], new GridClientOptions { MaxAttempts = 3 }));

        Assert.Equal(GridError.Unavailable, failure.Error);
        Assert.Equal([0, 1, 2], Attempts.Select(attempt => attempt.Number));
    }

    [Fact]
    public async Task Read_DefectInTheGrid_InternalAtOnce()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(_ => [Tokens(1), new InvalidDataException("broken")]));

        Assert.Equal(GridError.Internal, failure.Error);
        Assert.Single(Attempts);
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
}
