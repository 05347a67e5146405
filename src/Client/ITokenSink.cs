namespace ServingGrid.Client;

/// <summary>
/// A client's end of the quick way for tokens: one message brings the tokens of a step for all of its streams on a device. Messages may be lost or
/// overtake each other; what is complete is the stream of <see cref="IRequestGrain.Generate"/>.
/// </summary>
public interface ITokenSink : IGrainObserver
{
    /// <summary>New tokens, at most one item for each stream.</summary>
    void Push([Immutable] PushedTokens[] tokens);
}

/// <summary>Where an attempt's tokens go.</summary>
/// <param name="Sink">The client.</param>
/// <param name="Stream">The client's name for the attempt.</param>
[GenerateSerializer, Immutable]
public sealed record TokenRoute([property: Id(0)] ITokenSink Sink, [property: Id(1)] long Stream);

/// <summary>Tokens of one attempt.</summary>
/// <param name="Stream"><see cref="TokenRoute.Stream"/></param>
/// <param name="First">How many tokens the attempt has reported before these.</param>
/// <param name="Tokens">One or more.</param>
/// <param name="Numerics">
/// With the attempt's first tokens, which may overtake its first item: <see cref="GenerateUpdate.Numerics"/>.
/// </param>
[GenerateSerializer, Immutable]
public readonly record struct PushedTokens(
    [property: Id(0)] long Stream,
    [property: Id(1)] int First,
    [property: Id(2)] GeneratedToken[] Tokens,
    [property: Id(3)] string? Numerics = null);
