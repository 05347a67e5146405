using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Disaggregation;

namespace ServingGrid.Grains.Tests.Disaggregation;

public sealed class PrefillWatchTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private readonly FakeTimeProvider _time = new();
    private readonly TaskCompletionSource<int> _prefill = new();
    private bool _silent;

    [Fact]
    public async Task WaitAsync_AnswerInTime_GivesIt()
    {
        Task<int> wait = Wait();
        for (int i = 0; i < 100; i++)
        {
            await StepAsync();
            Assert.False(wait.IsCompleted);
        }

        _prefill.SetResult(7);
        Assert.Equal(7, await wait);
    }

    [Fact]
    public async Task WaitAsync_SiloFallsSilent_GivesUpLongBeforeTheTimeout()
    {
        Task<int> wait = Wait();
        await StepAsync();
        _silent = true;
        Assert.True(await ElapsedAsync(wait) < Timeout / 2);
        Assert.Contains("reports no more", (await Assert.ThrowsAsync<TimeoutException>(() => wait)).Message);
    }

    [Fact]
    public async Task WaitAsync_NeverAnswered_EndsAtTheTimeout()
    {
        Task<int> wait = Wait();
        Assert.True(await ElapsedAsync(wait) >= Timeout);
        await Assert.ThrowsAsync<TimeoutException>(() => wait);
    }

    [Fact]
    public async Task WaitAsync_PrefillFails_ThrowsItsException()
    {
        Task<int> wait = Wait();
        _prefill.SetException(new InvalidOperationException("broken"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => wait);
    }

    [Fact]
    public async Task WaitAsync_RequestEnds_Throws()
    {
        using CancellationTokenSource request = new();
        Task<int> wait = Wait(request.Token);
        await request.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.WaitAsync(TimeSpan.FromSeconds(10)));
    }

    private Task<int> Wait(CancellationToken cancellation = default) => PrefillWatch.WaitAsync(_prefill.Task, () => _silent, Timeout, _time, cancellation);

    /// <summary>Lets time pass until the wait is over; how much it was.</summary>
    private async Task<TimeSpan> ElapsedAsync(Task wait)
    {
        long start = _time.GetTimestamp();
        for (int i = 0; i < 5000 && !wait.IsCompleted; i++)
        {
            await StepAsync();
        }

        return _time.GetElapsedTime(start);
    }

    /// <summary>One period, and time for the look at its end.</summary>
    private async Task StepAsync()
    {
        _time.Advance(PrefillWatch.Period);
        await Task.Delay(1, TestContext.Current.CancellationToken);
    }
}
