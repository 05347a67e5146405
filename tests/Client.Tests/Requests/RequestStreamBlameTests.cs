using Microsoft.Extensions.Time.Testing;

namespace ServingGrid.Client.Tests.Requests;

/// <summary>Requests that are themselves to blame for what happens to those that compute them.</summary>
public sealed class RequestStreamBlameTests : RequestStreamScripts
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Read_RequestFailsOnOneDevice_ServedByAnother()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number == 0
            ? [On("a"), Tokens(1), Failed("a")]
            : [On("b"), Tokens(2), Finish(FinishReason.Stop)]).WaitAsync(Patience);

        Assert.Equal([1, 2], items.SelectMany(item => item.Tokens).Select(token => token.Token));
        Assert.Equal(["a"], Attempts[1].Avoid);
        Assert.Equal(["a"], Attempts[1].Failed);
        Assert.Equal([1], Attempts[1].Generated);
    }

    [Fact]
    public async Task Read_RequestFailsOnTwoDevices_EndsAndNamesTheRequest()
    {
        string[] devices = ["a", "b", "c"];
        GridException failure = await Fails(attempt => [On(devices[attempt.Number]), Failed(devices[attempt.Number])]);

        Assert.Equal((GridError.RequestFailed, "b"), (failure.Error, failure.Device));
        Assert.Equal("Request r cannot be served: two devices failed to compute it, and served others meanwhile.", failure.Message);
        Assert.Equal("not a number on b", failure.InnerException!.Message);
        Assert.Equal(2, Attempts.Count);
    }

    [Fact]
    public async Task Read_RequestFailsOnTheOnlyDevice_EndsWhenThatRefusesIt()
    {
        GridException failure = await Fails(_ => [Failed("a")]);

        Assert.Equal((GridError.RequestFailed, "a"), (failure.Error, failure.Device));
        Assert.Equal("Request r cannot be served: a device failed to compute it, and there is no other to ask.", failure.Message);
        Assert.Equal(2, Attempts.Count);
    }

    [Fact]
    public async Task Read_RequestFailsWhereItsPromptIsComputed_TheDeviceThatDecodesMayHaveItAgain()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number == 0
            ? [On("decode"), Failed("prefill")]
            : [On("decode"), Tokens(1), Finish(FinishReason.Stop)]).WaitAsync(Patience);

        Assert.Single(items.SelectMany(item => item.Tokens));
        Assert.Equal(["prefill"], Attempts[1].Avoid);
        Assert.Equal(["prefill"], Attempts[1].Failed);
    }

    [Fact]
    public async Task Read_HedgedAttemptsFailOnTwoDevices_NoThirdIsAsked()
    {
        TaskCompletionSource second = new();
        GridException failure = await Fails(
            attempt =>
            {
                if (attempt.Number == 0)
                {
                    return [second.Task, Failed("a")];
                }

                second.TrySetResult();
                return [Failed("b")];
            },
            new GridClientOptions { HedgeAfter = TimeSpan.FromMilliseconds(100), StartTimeout = TimeSpan.FromSeconds(60) });

        Assert.Equal(GridError.RequestFailed, failure.Error);
        Assert.Equal(2, Attempts.Count);
    }

    [Fact]
    public async Task Read_HedgedAttemptFails_TheOtherOneIsTheSecondDevice()
    {
        TaskCompletionSource failed = new();
        List<GenerateUpdate> items = await Read(
            attempt =>
            {
                if (attempt.Number == 0)
                {
                    return [failed.Task, On("a"), Tokens(1), Finish(FinishReason.Stop)];
                }

                _ = Task.Delay(50).ContinueWith(_ => failed.TrySetResult(), TaskScheduler.Default);
                return [Failed("b")];
            },
            new GridClientOptions { HedgeAfter = TimeSpan.FromSeconds(1), StartTimeout = TimeSpan.FromSeconds(60) }).WaitAsync(Patience);

        Assert.Single(items.SelectMany(item => item.Tokens));
        Assert.All(Attempts.Skip(2), attempt => Assert.Equal(["b"], attempt.Failed));
    }

    [Fact]
    public async Task Read_HedgedAttemptsFailOnOneDevice_AnotherIsAsked()
    {
        TaskCompletionSource second = new();
        List<GenerateUpdate> items = await Read(
            attempt =>
            {
                switch (attempt.Number)
                {
                    case 0:
                        return [second.Task, Failed("prefill")];
                    case 1:
                        second.TrySetResult();
                        return [Failed("prefill")];
                    default:
                        return [On("b"), Tokens(1), Finish(FinishReason.Stop)];
                }
            },
            new GridClientOptions { HedgeAfter = TimeSpan.FromMilliseconds(100), StartTimeout = TimeSpan.FromSeconds(60) }).WaitAsync(Patience);

        Assert.Single(items.SelectMany(item => item.Tokens));
        Assert.Equal(["prefill"], Attempts[2].Failed);
    }

    [Theory]
    [InlineData(typeof(SiloUnavailableException))]
    [InlineData(typeof(TimeoutException))]
    public async Task Read_ThreeProcessesDieAsSoonAsTheyHaveIt_EndsAndNamesTheRequest(Type death)
    {
        GridException failure = await Fails(attempt => [On($"silo-{attempt.Number}"), (Exception)Activator.CreateInstance(death)!]);

        Assert.Equal((GridError.RequestFailed, "silo-2"), (failure.Error, failure.Device));
        Assert.Equal("Request r cannot be served: three processes died, each within a second of taking it.", failure.Message);
        Assert.Equal(3, Attempts.Count);
    }

    /// <summary>A request whose first step ends the process: nothing but the place has been heard by then.</summary>
    [Fact]
    public async Task Read_ThreeProcessesDieBeforeTheyAnswer_EndsAndNamesTheRequest()
    {
        GridException failure = await Fails(attempt => [Placed($"silo-{attempt.Number}"), new SiloUnavailableException()]);

        Assert.Equal((GridError.RequestFailed, "silo-2"), (failure.Error, failure.Device));
        Assert.Equal(3, Attempts.Count);
        Assert.Equal(["silo-0", "silo-1"], Attempts[2].Avoid);
    }

    [Fact]
    public async Task Read_HedgedAttemptsKillTheirProcessesBeforeTheyAnswer_EndsAndNamesTheRequest()
    {
        FakeTimeProvider time = new();
        Task<List<GenerateUpdate>> read = Read(
            attempt => [Placed($"silo-{attempt.Number}"), Timeout.InfiniteTimeSpan],
            new GridClientOptions { StartTimeout = TimeSpan.FromSeconds(4) },
            time);
        await PassTime(time, read);

        Assert.Equal(GridError.RequestFailed, (await Assert.ThrowsAsync<GridException>(() => read)).Error);
        Assert.InRange(Attempts.Count, 3, 5);
    }

    /// <summary>A client that stands still misses the heartbeats of silos that live.</summary>
    [Theory]
    [InlineData(typeof(TimeoutException))]
    [InlineData(typeof(SiloUnavailableException))]
    public async Task Read_SilosAreLostAndLive_NobodyIsBlamed(Type failure)
    {
        IsDead = _ => false;
        FakeTimeProvider time = new();
        Task<List<GenerateUpdate>> read = Read(
            attempt => attempt.Number < 4
                ? [On($"silo-{attempt.Number}"), (Exception)Activator.CreateInstance(failure)!]
                : [On("last"), Tokens(1), Finish(FinishReason.Stop)],
            time: time);
        await PassTime(time, read);

        Assert.Single((await read).SelectMany(item => item.Tokens));
        Assert.Equal(5, Attempts.Count);
    }

    [Fact]
    public async Task Read_OneOfThreeLives_NobodyIsBlamed()
    {
        IsDead = silo => !silo.Equals(Process("silo-1"));
        FakeTimeProvider time = new();
        Task<List<GenerateUpdate>> read = Read(
            attempt => attempt.Number < 3
                ? [On($"silo-{attempt.Number}"), new TimeoutException()]
                : [On("last"), Tokens(1), Finish(FinishReason.Stop)],
            time: time);
        await PassTime(time, read);

        Assert.Single((await read).SelectMany(item => item.Tokens));
    }

    [Fact]
    public async Task Read_OneDeviceFailsAndThreeProcessesDie_SaysWhatProvedIt()
    {
        GridException failure = await Fails(attempt => attempt.Number == 0
            ? [On("a"), Failed("a")]
            : [On($"silo-{attempt.Number}"), new SiloUnavailableException()]);

        Assert.Equal("Request r cannot be served: three processes died, each within a second of taking it.", failure.Message);
    }

    /// <summary>Membership needs a second for a process that was killed.</summary>
    [Fact]
    public async Task Read_DeathsAreFoundOutLater_EndsWithTheThird()
    {
        FakeTimeProvider time = new();
        long start = time.GetTimestamp();
        IsDead = _ => time.GetElapsedTime(start) > TimeSpan.FromSeconds(1);
        Task<List<GenerateUpdate>> read = Read(attempt => [Placed($"silo-{attempt.Number}"), new SiloUnavailableException()], time: time);
        await PassTime(time, read);

        Assert.Equal(GridError.RequestFailed, (await Assert.ThrowsAsync<GridException>(() => read)).Error);
        Assert.Equal(3, Attempts.Count);
    }

    /// <summary>The watchdog takes seconds to notice: what counts is when the silo was last heard of.</summary>
    [Fact]
    public async Task Read_SilosFallSilentAtOnce_TheTimeUntilItIsNoticedDoesNotCount()
    {
        FakeTimeProvider time = new();
        Task<List<GenerateUpdate>> read = Read(
            attempt => [On($"silo-{attempt.Number}"), Timeout.InfiniteTimeSpan], new GridClientOptions { StartTimeout = TimeSpan.FromSeconds(60) }, time);
        await PassTime(time, read);

        Assert.Equal(GridError.RequestFailed, (await Assert.ThrowsAsync<GridException>(() => read)).Error);
        Assert.Equal(3, Attempts.Count);
    }

    [Fact]
    public async Task Read_ProcessesDieLaterThanThat_NobodyIsBlamed()
    {
        FakeTimeProvider time = new();
        Task<List<GenerateUpdate>> read = Read(
            attempt => attempt.Number < 6
                ? [On($"silo-{attempt.Number}"), Later(time, 0.6), new GenerateUpdate(), Later(time, 0.6), new GenerateUpdate(), new SiloUnavailableException()]
                : [On("last"), Tokens(1), Finish(FinishReason.Stop)],
            new GridClientOptions { HedgeAfter = null, StartTimeout = TimeSpan.FromSeconds(60), StallTimeout = TimeSpan.FromSeconds(60) },
            time);
        await PassTime(time, read);

        Assert.Single((await read).SelectMany(item => item.Tokens));
        Assert.Equal(7, Attempts.Count);
    }

    [Theory]
    [InlineData(typeof(OperationCanceledException), 0)]
    [InlineData(null, 0)]
    [InlineData(typeof(SiloUnavailableException), 2)]
    public async Task Read_SilosStopOrTheSameOneIsLost_NobodyIsBlamed(Type? failure, int devices)
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number < 4
            ? [
                On($"silo-{(devices == 0 ? attempt.Number : attempt.Number % devices)}"),
                failure is null ? new GridException(GridError.Unavailable, "a step failed") : (Exception)Activator.CreateInstance(failure)!,
            ]
            : [On("last"), Tokens(1), Finish(FinishReason.Stop)]).WaitAsync(Patience);

        Assert.Single(items.SelectMany(item => item.Tokens));
    }

    private static GridException Failed(string device) => new(GridError.RequestFailed, $"not a number on {device}") { Device = device };

    private static Action Later(FakeTimeProvider time, double seconds) => () => time.Advance(TimeSpan.FromSeconds(seconds));

    private Task<GridException> Fails(Func<GenerateAttempt, object[]> script, GridClientOptions? options = null) =>
        Assert.ThrowsAsync<GridException>(() => Read(script, options).WaitAsync(Patience));
}
