using System.Numerics.Tensors;

namespace ServingGrid.Engine.Sampling;

/// <summary>
/// Which rows of logits a token can be chosen from: one rule for all ways to choose, for the model's own numbers and again after all
/// adjustments. −∞ forbids a token; NaN or +∞ anywhere is no result of a model; and where every token is forbidden there is none to choose.
/// The largest logit says all of it, as long as NaN counts as the largest of all, which is how <see cref="Kernels.Device.TopCandidates"/>
/// orders too. Pure functions.
/// </summary>
internal static class LogitRule
{
    /// <summary>The largest logit; NaN if one of them is.</summary>
    public static float Largest(ReadOnlySpan<float> logits) => TensorPrimitives.Max(logits);

    /// <summary>True if a token can be chosen from a row with this largest logit.</summary>
    public static bool Allows(float largest) => float.IsFinite(largest);

    /// <summary>
    /// An adjusted logit. What is not forbidden stays so, and does not become more than a number: adjustments take no token out of a row,
    /// and make no row invalid.
    /// </summary>
    public static float Adjusted(float logit) => Math.Clamp(logit, float.MinValue, float.MaxValue);
}
