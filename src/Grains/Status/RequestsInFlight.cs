using System.Collections.Concurrent;
using ServingGrid.Client;

namespace ServingGrid.Grains.Status;

/// <summary>The requests that this silo works on. Thread-safe.</summary>
internal sealed class RequestsInFlight(TimeProvider time)
{
    /// <summary>Most requests that a status names.</summary>
    public const int Listed = 100;

    private readonly ConcurrentDictionary<RequestInFlight, bool> _requests = new();

    /// <summary>Requests now.</summary>
    public int Count => _requests.Count;

    /// <summary>Adds a request until it is disposed.</summary>
    /// <param name="attempt">The request.</param>
    /// <param name="forPeer">Only its prompt is computed, for another device.</param>
    /// <param name="numerics">The class that it goes on in: an answer that may leave its class may as well stay in it.</param>
    public RequestInFlight Begin(GenerateAttempt attempt, bool forPeer, string? numerics = null)
    {
        attempt = attempt.ChangedFrom is { } from && from == numerics ? attempt with { ChangedFrom = null } : attempt;
        RequestInFlight request = new(attempt, forPeer, time.GetTimestamp(), ended => _requests.TryRemove(ended, out _));
        _requests[request] = true;
        return request;
    }

    /// <summary>The oldest requests, the oldest first.</summary>
    public IReadOnlyList<RequestStatus> List() =>
        [.. _requests.Keys.OrderBy(request => request.Since).Take(Listed).Select(request => request.Describe(time.GetElapsedTime(request.Since)))];
}

/// <summary>One of <see cref="RequestsInFlight"/>. Each member has one caller at a time; read from any thread.</summary>
internal sealed class RequestInFlight(GenerateAttempt attempt, bool forPeer, long since, Action<RequestInFlight> ended) : IDisposable
{
    private volatile Task? _prefill;
    private volatile int _generated;

    /// <summary>When it came, as a timestamp.</summary>
    public long Since { get; } = since;

    private string Stage => forPeer ? "prefill-for-peer"
        : _generated > 0 ? "decode"
        : _prefill is not { } prefill ? "starting"
        : prefill.IsCompleted ? "prefill"
        : "remote-prefill";

    /// <summary>The engine has it.</summary>
    /// <param name="prefill">Runs while another device computes the prompt.</param>
    public void Started(Task prefill) => _prefill = prefill;

    /// <summary>New tokens have come.</summary>
    public void Generated(int tokens) => _generated += tokens;

    public RequestStatus Describe(TimeSpan age) => new()
    {
        Id = attempt.Request.RequestId,
        Attempt = attempt.Number,
        Stage = Stage,
        Age = Math.Round(age.TotalSeconds, 3),
        PromptTokens = attempt.Request.Prompt.Length,
        GeneratedTokens = _generated,
        ChangedFrom = attempt.ChangedFrom,
    };

    public void Dispose() => ended(this);
}
