namespace ServingGrid.Engine.Disaggregation;

/// <summary>What a prefill handle asks of its engine. Called from any thread.</summary>
internal interface IPrefillOwner
{
    /// <summary>Copies KV of blocks of the cache to the host. False when the engine is gone.</summary>
    bool TryGather(ReadOnlySpan<int> blocks, int firstLayer, int layers, Span<byte> destination);

    void Released(PrefillHandle prefill);
}
