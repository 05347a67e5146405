using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Tests.Requests;

/// <summary>A stream over attempts that do what a script says.</summary>
public abstract class RequestStreamScripts
{
    private static readonly GenerateUsage Usage = new() { PromptTokens = 99, CachedTokens = 2, CompletionTokens = 99 };

    private int _begun;
    private int _cancelled;

    /// <summary>Those that were started, in order.</summary>
    private protected List<GenerateAttempt> Attempts { get; } = [];

    private protected int Begun => Volatile.Read(ref _begun);

    /// <summary>Those that were waiting when they were cancelled.</summary>
    private protected int Cancelled => Volatile.Read(ref _cancelled);

    /// <summary>Whether the grid says that a process is dead, when it is asked.</summary>
    private protected Predicate<SiloAddress> IsDead { get; set; } = _ => true;

    private protected static GenerateRequest Request => new()
    {
        RequestId = "r",
        Model = "m",
        Prompt = [1, 2, 3],
        MaxTokens = 5,
        Sampling = new SamplingOptions { Seed = 1 },
    };

    /// <summary>A device's first answer, which follows <see cref="Placed"/>.</summary>
    private protected static GenerateUpdate On(string device) => new() { Device = device };

    /// <summary>A device's process is about to get the attempt.</summary>
    private protected static GenerateUpdate Placed(string device) => new() { Device = device, Placed = Process(device) };

    /// <summary>The process of a device.</summary>
    private protected static SiloAddress Process(string device) =>
        SiloAddress.New(IPAddress.Loopback, 1, device.Aggregate(7, (hash, letter) => (hash * 31) + letter));

    private protected static GenerateUpdate Tokens(params int[] tokens) => new() { Tokens = [.. tokens.Select(token => new GeneratedToken(token))] };

    private protected static GenerateUpdate Finish(FinishReason reason) => new() { Finish = reason, Usage = Usage };

    private protected RequestStream New(StartAttempt start, GridClientOptions? options = null, TimeProvider? time = null) =>
        new(
            start,
            (silos, _) => Task.FromResult(Array.FindAll(silos, IsDead)),
            options ?? new GridClientOptions(),
            time ?? TimeProvider.System,
            NullLogger.Instance);

    /// <summary>Lets the stream's own time pass until it has ended.</summary>
    private protected static async Task PassTime(FakeTimeProvider time, Task read)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!read.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Delay(1, patience.Token);
        }
    }

    /// <summary>A script for each attempt: items, exceptions to throw, times to wait, things to do.</summary>
    private protected async Task<List<GenerateUpdate>> Read(Func<GenerateAttempt, object[]> script, GridClientOptions? options = null, TimeProvider? time = null)
    {
        RequestStream stream = New(
            (attempt, _, cancellation) =>
            {
                Attempts.Add(attempt);
                Interlocked.Increment(ref _begun);
                return Play(script(attempt), cancellation);
            },
            options,
            time);
        return await stream.Read(Request, CancellationToken.None).ToListAsync();
    }

    private async IAsyncEnumerable<GenerateUpdate> Play(object[] script, [EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (object step in script)
        {
            switch (step)
            {
                case GenerateUpdate update:
                    if (update is { Device: { } device, Placed: null })
                    {
                        yield return Placed(device);
                    }

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
                case Action act:
                    act();
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
