using ServingGrid.Client;
using ServingGrid.Grains.Transfer;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>A prompt that a prefill device computes for a decode device.</summary>
[GenerateSerializer, Immutable]
public sealed record PrefillOrder
{
    [Id(0)]
    public required GenerateAttempt Attempt { get; init; }

    /// <summary>Leading tokens whose KV the decode device has.</summary>
    [Id(1)]
    public required int SkipTokens { get; init; }

    /// <summary>Where the rest goes.</summary>
    [Id(2)]
    public required KvTarget Target { get; init; }

    /// <summary>Class of arithmetic of the decode device: a device of another one refuses the order.</summary>
    [Id(3)]
    public required string Numerics { get; init; }
}

/// <summary>A prompt whose KV is in the reservation.</summary>
/// <param name="First">The first new token.</param>
/// <param name="CachedTokens">Prompt tokens that the prefill device had already.</param>
/// <param name="SentBytes">KV that was sent.</param>
/// <param name="SendTime">Time in which something was being sent: how fast the way between the two devices is.</param>
[GenerateSerializer, Immutable]
public sealed record PrefillAnswer(
    [property: Id(0)] GeneratedToken First, [property: Id(1)] int CachedTokens, [property: Id(2)] long SentBytes, [property: Id(3)] TimeSpan SendTime);
