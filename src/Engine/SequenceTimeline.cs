namespace ServingGrid.Engine;

/// <summary>The stages of a sequence on one engine, in order; a preempted sequence goes back to <see cref="Waiting"/>.</summary>
public enum SequenceStage
{
    /// <summary>Accepted; holds no blocks.</summary>
    Waiting,

    /// <summary>Holds blocks that another device fills.</summary>
    Reserved,

    /// <summary>Its prompt (or, after preemption, all its tokens) is being computed.</summary>
    Prefilling,

    /// <summary>One new token in each step.</summary>
    Decoding,

    /// <summary>Computed for another device, which has yet to fetch the blocks.</summary>
    Pinned,

    /// <summary>Ended; holds no blocks.</summary>
    Finished,
}

/// <summary>When a sequence passed its stages, as timestamps of the engine's <see cref="TimeProvider"/>; 0 if it did not.</summary>
/// <param name="Arrived">Accepted by the engine.</param>
/// <param name="Admitted">First got blocks.</param>
/// <param name="FirstToken">First new token.</param>
/// <param name="Ended">Finished.</param>
public readonly record struct SequenceTimeline(long Arrived, long Admitted, long FirstToken, long Ended);
