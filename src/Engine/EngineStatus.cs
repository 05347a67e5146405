namespace ServingGrid.Engine;

/// <summary>Whether an engine takes work.</summary>
public enum EngineHealth
{
    Serving,

    /// <summary>A step failed and its sequences were given up; it serves again within a second. None is accepted until then.</summary>
    Recovering,

    /// <summary>Finishes what it has, takes no more.</summary>
    Draining,

    /// <summary>The device is lost, or has failed too often: all sequences were failed, none is accepted ever again.</summary>
    Failed,

    Stopped,
}

/// <summary>An engine at the end of its last step. Counters only grow. Immutable.</summary>
public sealed record EngineStatus
{
    public required EngineHealth Health { get; init; }

    /// <summary>With <see cref="EngineHealth.Failed"/>, and while <see cref="EngineHealth.Recovering"/>: what happened.</summary>
    public string? Failure { get; init; }

    /// <summary>Steps that failed as a whole.</summary>
    public long FailedSteps { get; init; }

    /// <summary>
    /// Of <see cref="FailedSteps"/>, those whose sequences all went on one at a time: nobody was to blame, and nobody has noticed.
    /// </summary>
    public long TransientFailures { get; init; }

    /// <summary>Sequences that ended by their own fault (<see cref="EngineException.BlamesSequence"/>).</summary>
    public long BlamedSequences { get; init; }

    /// <summary>How often the engine has given up all sequences and served again.</summary>
    public long Recoveries { get; init; }

    /// <summary>How long the last of them took, from the failure on; 0 before the first.</summary>
    public double LastRecoverySeconds { get; init; }

    /// <summary>What went wrong last, in a step as a whole or with the device; null: nothing yet.</summary>
    public string? LastFailure { get; init; }

    /// <summary>Sequences that are computed now (prefilling or decoding).</summary>
    public int Running { get; init; }

    /// <summary>Accepted sequences that hold no blocks.</summary>
    public int Waiting { get; init; }

    /// <summary>Sequences whose blocks another device fills.</summary>
    public int Reserved { get; init; }

    /// <summary>Sequences whose blocks another device fetches.</summary>
    public int Pinned { get; init; }

    /// <summary>Prompt tokens that running and waiting sequences have yet to compute (cached prefixes of waiting ones not subtracted).</summary>
    public long PendingPromptTokens => Backlog.All;

    /// <summary><see cref="PendingPromptTokens"/> by what a new prompt of another device would find before it.</summary>
    public PromptBacklog Backlog { get; init; }

    /// <summary>Blocks of the KV cache.</summary>
    public int TotalBlocks { get; init; }

    /// <summary>Blocks that no sequence holds, cached ones included.</summary>
    public int FreeBlocks { get; init; }

    /// <summary>Blocks that the prefix cache can find.</summary>
    public int CachedBlocks { get; init; }

    public long Steps { get; init; }

    /// <summary>Rows of prompts computed (recomputation after preemption included).</summary>
    public long ComputedPromptTokens { get; init; }

    /// <summary>Prompt tokens that were found in the prefix cache instead.</summary>
    public long CachedPromptTokens { get; init; }

    /// <summary>Tokens chosen.</summary>
    public long GeneratedTokens { get; init; }

    public long Preemptions { get; init; }

    /// <summary>Sequences that ended, in whatever way.</summary>
    public long Finished { get; init; }

    /// <summary>Seconds spent in steps.</summary>
    public double StepSeconds { get; init; }

    /// <summary>Seconds of a recent step that only decodes (moving average); 0 before the first.</summary>
    public double DecodeStepSeconds { get; init; }

    /// <summary>Prompt tokens per second of recent steps that prefill (moving average); 0 before the first.</summary>
    public double PrefillTokensPerSecond { get; init; }

    /// <summary>Prompt tokens per second that a prompt of its own gets in steps beside the sequences that decode now; 0 before the first, or when none does.</summary>
    public double PrefillTokensPerSecondBeside { get; init; }
}
