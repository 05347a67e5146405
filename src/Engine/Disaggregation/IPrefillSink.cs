namespace ServingGrid.Engine.Disaggregation;

/// <summary>
/// The prefill side's half of a handover: is told what has been computed for another device. Called on the engine's thread, in this order:
/// <see cref="BlocksReady"/> any number of times, then once <see cref="Completed"/>; or <see cref="Failed"/> at any point, as the last call. Implementations
/// return at once and must not throw; they fetch blocks elsewhere, with <see cref="PrefillHandle.TryGather"/>, while the next chunk is computed.
/// </summary>
public interface IPrefillSink
{
    /// <summary>These blocks hold their final KV in all layers. Each block is announced once, in order.</summary>
    /// <param name="prefill">The prefill that they belong to.</param>
    /// <param name="firstBlock">Index in the sequence's block table.</param>
    /// <param name="count">Number of blocks; the last of a prompt may be partly filled.</param>
    void BlocksReady(PrefillHandle prefill, int firstBlock, int count);

    /// <summary>The prompt is computed. All its blocks were announced; they stay pinned until <see cref="PrefillHandle.Release"/>.</summary>
    /// <param name="prefill">The prefill.</param>
    /// <param name="first">The first new token, possibly an end-of-generation token: the decode side decides whether it ends the sequence.</param>
    /// <param name="cachedTokens">Prompt tokens that this device did not have to compute.</param>
    void Completed(PrefillHandle prefill, ChosenToken first, int cachedTokens);

    /// <summary>It was released before its end, has expired, or the engine has failed; the blocks are no longer pinned.</summary>
    void Failed(PrefillHandle prefill, EngineException reason);
}
