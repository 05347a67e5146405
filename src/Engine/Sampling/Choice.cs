using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Sampling;

/// <summary>What became of a row of logits.</summary>
internal enum ChoiceOutcome
{
    /// <summary>The row is valid, and no token was to be chosen from it.</summary>
    Checked,

    /// <summary>A token was chosen.</summary>
    Chosen,

    /// <summary>
    /// The model's logits are not numbers (<see cref="LogitRule"/>): what they were computed from is not to be used again.
    /// </summary>
    NotNumbers,

    /// <summary>The model's logits are valid, but its request forbids every token that they allow.</summary>
    NothingAllowed,

    /// <summary>Choosing threw.</summary>
    Threw,
}

/// <summary>What became of a row.</summary>
/// <param name="Outcome">What.</param>
/// <param name="Token">With <see cref="ChoiceOutcome.Chosen"/>.</param>
/// <param name="Error">With <see cref="ChoiceOutcome.Threw"/>.</param>
internal readonly record struct Choice(ChoiceOutcome Outcome, ChosenToken Token = default, Exception? Error = null);

/// <summary>A row of a step's logits.</summary>
/// <param name="Sequence">Whose.</param>
/// <param name="Chooses">False for the end of a chunk of a prompt: the row is only to be checked.</param>
internal readonly record struct SampledRow(Sequence Sequence, bool Chooses);
