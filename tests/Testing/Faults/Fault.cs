namespace ServingGrid.Testing.Faults;

/// <summary>Where in a step a <see cref="FaultyDevice"/> is struck.</summary>
public enum FaultStage
{
    BeginStep,
    Embed,
    Projection,
    Keys,
    Attention,
    Output,
    FeedForward,
    Logits,

    /// <summary>Where the sampler gets what it chooses from.</summary>
    Sampling,
}

/// <summary>What a <see cref="FaultyDevice"/> does wrong.</summary>
/// <param name="Stage">Where.</param>
/// <param name="Token">
/// Only in steps that compute a row of this token, and only in such rows where a fault can be in a row; null: in every step.
/// </param>
/// <param name="Spoils">True: results are not numbers; false: the operation throws.</param>
public sealed record Fault(FaultStage Stage, int? Token = null, bool Spoils = false)
{
    /// <summary>What is thrown.</summary>
    public Func<Exception> Failure { get; init; } = () => new InvalidOperationException("injected");

    /// <summary>How often it strikes before the device is well again.</summary>
    public int Times { get; init; } = int.MaxValue;
}
