using System.Collections.Concurrent;
using CsCheck;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests.Scheduling;

/// <summary>Prompts that an engine computes for others, all of them submitted while its first step is held up.</summary>
public sealed class PromptTurnTests : IAsyncDisposable
{
    private const int EnoughSteps = 1 << 20;
    private readonly HookedDevice _device = new();
    private readonly SemaphoreSlim _steps = new(0);
    private readonly ManualResetEventSlim _entered = new();
    private readonly EngineRig _rig;
    private readonly ConcurrentQueue<string> _ends = new();
    private readonly List<Task> _running = [];

    public PromptTurnTests()
    {
        _device.OnStep = _ =>
        {
            _entered.Set();
            _steps.Wait();
        };
        _rig = new EngineRig(EngineRig.SmallOptions with { KvBlocks = 256, MaxSequences = 31, MaxWaiting = 64 }, device: _device);
    }

    [Fact]
    public async Task SubmitPrefill_ShorterThanWhatIsComputed_GoesFirst()
    {
        Prefill("long", 200);
        _entered.Wait();
        Prefill("short", 60);
        Prefill("shorter", 20);
        await EndAsync();
        Assert.Equal(["shorter", "short", "long"], _ends);
    }

    [Fact]
    public async Task SubmitPrefill_ShortOnesWithoutEnd_LongOneWaitsForNoMoreThanItsOwnTokens()
    {
        Prefill("long", 200);
        _entered.Wait();
        for (int i = 0; i < 40; i++)
        {
            Prefill("short", 10);
        }

        await EndAsync();

        // The tokens of short ones before it, and twice its own, must be fewer than 200.
        Assert.Equal(18, _ends.TakeWhile(name => name == "short").Count());
    }

    [Fact]
    public void Next_AnyPrompts_NobodyWaitsForAsManyLaterTokensAsItHasAndLocalOnesForNone()
    {
        Gen.Select(Gen.Int[1, 2000], Gen.Bool).Array[1, 60].Sample(
            prompts =>
            {
                var turns = new PromptTurn();
                long[] turn = [.. prompts.Select(prompt => turns.Next(prompt.Item1, prompt.Item2))];
                for (int i = 0; i < prompts.Length; i++)
                {
                    (int tokens, bool forAnotherDevice) = prompts[i];
                    long later = Enumerable.Range(i + 1, prompts.Length - i - 1).Where(j => turn[j] < turn[i]).Sum(j => (long)prompts[j].Item1);
                    Assert.True(later < (forAnotherDevice ? tokens : 1), $"{later} tokens overtake {tokens}");

                    // What a new one would do, as the backlog has it: one of so many tokens does not overtake, one of fewer does.
                    long limit = turns.OvertakenByNew(turn[i]);
                    Assert.True(TurnOfNew(limit) >= turn[i]);
                    Assert.True(limit <= 1 || TurnOfNew(limit - 1) < turn[i]);
                }

                long TurnOfNew(long tokens) => prompts.Sum(prompt => (long)prompt.Item1) + (2 * tokens);
            },
            iter: 300,
            threads: 1);
    }

    [Fact]
    public async Task SubmitPrefill_OfOneLength_InOrder()
    {
        for (int i = 0; i < 6; i++)
        {
            Prefill($"{i}", 50);
        }

        await EndAsync();
        Assert.Equal(["0", "1", "2", "3", "4", "5"], _ends);
    }

    [Fact]
    public async Task Status_LongPromptBeingComputed_BacklogSaysWhatAShortOneFinds()
    {
        Prefill("long", 400);
        _entered.Wait();
        Prefill("short", 40);

        // Steps of 32 tokens: one of the long prompt, one of the short.
        _steps.Release(2);
        await _rig.UntilAsync(status => status.Steps == 2 && status.Backlog.All == 376);
        PromptBacklog backlog = _rig.Engine.Status.Backlog;
        Assert.Equal(new PromptBacklog(8, 376, 376, 376), backlog);
        Assert.Equal(376, _rig.Engine.Status.PendingPromptTokens);

        // What is ahead, and the step that has begun.
        Assert.Equal(8 + 128, backlog.AheadOf(128));
        Assert.Equal(376, backlog.AheadOf(129));
        Assert.Equal(376, backlog.AheadOf(100_000));
        await EndAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _steps.Release(EnoughSteps);
        await _rig.DisposeAsync();
        _steps.Dispose();
        _entered.Dispose();
    }

    private void Prefill(string name, int length)
    {
        var sink = new OrderSink(name, _ends);
        SubmitResult<PrefillHandle> submitted = _rig.Engine.SubmitPrefill(EngineRig.Request(EngineRig.Prompt(length, (length * 100) + _running.Count), 4), 0, sink);
        Assert.True(submitted.Refused is null, submitted.Refused?.Message);
        _running.Add(ReleaseAsync());

        async Task ReleaseAsync()
        {
            await sink.Ended.WaitAsync(TimeSpan.FromMinutes(2));
            submitted.Accepted!.Release();
        }
    }

    private async Task EndAsync()
    {
        _steps.Release(EnoughSteps);
        await Task.WhenAll(_running);
        await _rig.AssertIdleAsync();
    }

    /// <summary>Notes the end on the engine's thread, so that the order is that of the engine.</summary>
    private sealed class OrderSink(string name, ConcurrentQueue<string> ends) : IPrefillSink
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Ended => _ended.Task;

        public void BlocksReady(PrefillHandle prefill, int firstBlock, int count)
        {
        }

        public void Completed(PrefillHandle prefill, ChosenToken first, int cachedTokens)
        {
            ends.Enqueue(name);
            _ended.SetResult();
        }

        public void Failed(PrefillHandle prefill, EngineException reason) => _ended.TrySetException(reason);
    }
}
