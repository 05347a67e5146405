using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels;

/// <summary>
/// What a device can do for a transformer: about ten operations on device tensors, each coarse enough to be fused inside.
/// </summary>
/// <remarks>
/// <para>
/// <b>Steps.</b> <see cref="BeginStep"/> hands over the batch; the operations that follow work on its first
/// <see cref="StepBatch.RowCount"/> rows, in program order, possibly asynchronously. <see cref="Read"/> and
/// <see cref="TopCandidates"/> wait for what they return. The batch must not change before the next wait.
/// </para>
/// <para>
/// <b>Same tokens, always.</b> What an operation computes for a row depends on that row, its sequence's cache and the weights
/// alone: never on the other rows, on how many there are, on how a prompt was cut into chunks or on the number of threads.
/// Each reduction therefore runs in an order fixed by the row: a matrix product by its columns' blocks, attention by
/// position. Two runs on devices of one class (<see cref="DeviceInfo.Numerics"/>) are equal to the bit.
/// </para>
/// <para>
/// <b>Threads.</b> One thread (the engine's) calls the operations. <see cref="Gather"/>, <see cref="Scatter"/> and
/// <see cref="DeviceEvent"/> may be called from any thread, at any time, also while a step runs.
/// </para>
/// <para><b>Errors.</b> Misuse throws <see cref="ArgumentException"/>; a failed device throws <see cref="DeviceException"/>.</para>
/// </remarks>
public abstract class Device : IDisposable
{
    public abstract DeviceInfo Info { get; }

    /// <summary>
    /// Says that the calling thread is the one that calls the operations from now on: the CPU device gives it the core and the priority that it was told.
    /// </summary>
    /// <returns>Null, or one sentence for the log when the system has refused what the device asked for.</returns>
    public virtual string? EnterThread() => null;

    // ---- Memory ---------------------------------------------------------------------------------------------------

    /// <summary>Zeroed activations [rows, columns].</summary>
    public abstract Tensor AllocateTensor(int rows, int columns);

    /// <summary>Constants, dequantised to F32.</summary>
    public abstract Vector LoadVector(TensorData source);

    /// <summary>Copies (and repacks) a weight matrix; <paramref name="source"/> is not needed afterwards.</summary>
    public abstract Matrix LoadMatrix(TensorData source);

    /// <summary>Prepares RoPE for positions 0 … <paramref name="maxPositions"/> − 1.</summary>
    public abstract RopeTable LoadRope(RopeParameters rope, int maxPositions);

    /// <summary>What <see cref="AllocateKvCache"/> asks first, for whoever wants to know before weights are loaded.</summary>
    /// <exception cref="NotSupportedException">The device has no kernels for such a cache.</exception>
    public virtual void CheckKvCache(KvLayout layout)
    {
    }

    /// <summary>Asks, before weights are loaded, whether <see cref="Attention"/> takes heads of this shape.</summary>
    /// <exception cref="NotSupportedException">The device has no kernels for it.</exception>
    public virtual void CheckAttention(AttentionShape shape)
    {
    }

    /// <summary>A KV cache of <paramref name="blockCount"/> blocks; its content is undefined until written.</summary>
    /// <exception cref="NotSupportedException">The device has no kernels for such a cache.</exception>
    /// <exception cref="DeviceException">The device has no room for it, or gives none as large in one piece.</exception>
    public abstract KvCache AllocateKvCache(KvLayout layout, int blockCount);

    /// <summary>Bytes that a KV cache may take now, before the caller applies its fraction.</summary>
    public abstract long FreeMemoryBytes { get; }

    // ---- Steps ----------------------------------------------------------------------------------------------------

    /// <summary>Starts a step over <paramref name="batch"/>: uploads tokens, positions and block tables.</summary>
    public abstract void BeginStep(StepBatch batch);

    /// <summary>output[r] = embeddings[token of row r], dequantised.</summary>
    public abstract void Embed(Matrix embeddings, Tensor output);

    /// <summary>For each projection: output = W · rmsnorm(input, norm, epsilon) + bias. The norm is computed once.</summary>
    public abstract void NormedProjection(Tensor input, Vector norm, float epsilon, ReadOnlySpan<Projection> projections);

    /// <summary>
    /// Normalises each head of <paramref name="query"/> and <paramref name="key"/> (if <paramref name="headNorm"/>), rotates
    /// them to their rows' positions, and writes key and value into their slots of the cache. <paramref name="query"/>
    /// [rows, heads·headSize] is changed in place; <paramref name="key"/> and <paramref name="value"/> [rows, kvHeads·headSize]
    /// are undefined afterwards.
    /// </summary>
    public abstract void RopeAppend(Tensor query, Tensor key, Tensor value, AttentionShape shape, RopeTable rope, HeadNorm? headNorm, KvCache cache, int layer);

    /// <summary>
    /// Causal attention of each row over positions 0 … its own of its sequence, read from the cache (which holds the rows of
    /// this step already). Scores are scaled by 1/√headSize. <paramref name="output"/>: [rows, heads·headSize].
    /// </summary>
    public abstract void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output);

    /// <summary>residual += W · input + bias.</summary>
    public abstract void ResidualProjection(Tensor input, Matrix weights, Vector? bias, Tensor residual);

    /// <summary>residual += Down · (silu(Gate · n) ⊙ (Up · n)), n = rmsnorm(residual, norm, epsilon).</summary>
    public abstract void GatedFeedForward(Tensor residual, Vector norm, float epsilon, Matrix gate, Matrix up, Matrix down);

    /// <summary>logits[i] = W · rmsnorm(hidden[SampledRows[i]], norm, epsilon), for each sampled row of the batch.</summary>
    public abstract void Logits(Tensor hidden, Vector norm, float epsilon, Matrix output, Tensor logits);

    /// <summary>
    /// The <paramref name="count"/> largest logits of each of the first <paramref name="rows"/> rows, by value descending, then
    /// id ascending: <c>ids[row · count + i]</c>, <c>values[row · count + i]</c>. NaN, of whichever sign, counts as larger than +∞ and is
    /// returned as NaN: the first value of a row is a number only if the whole row holds neither NaN nor +∞. Waits for the result.
    /// </summary>
    public abstract void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values);

    /// <summary>
    /// Says which rows of a tensor <see cref="Read"/> will be asked for before the next operation, in this order: a device with memory of its own brings them over
    /// together, and waits for all of them at once. Changes nothing that <see cref="Read"/> returns.
    /// </summary>
    public virtual void ExpectReads(Tensor tensor, ReadOnlySpan<int> rows)
    {
    }

    /// <summary>Copies rows to the host; waits for the work before it.</summary>
    public abstract void Read(Tensor tensor, int firstRow, int rows, Span<float> destination);

    /// <summary>Copies rows to the device (tests, restored activations).</summary>
    public abstract void Write(Tensor tensor, int firstRow, int rows, ReadOnlySpan<float> source);

    // ---- KV blocks ------------------------------------------------------------------------------------------------

    /// <summary>Copies whole blocks, all layers: <c>to[i] = from[i]</c>, in stream order with the steps (copy-on-write).</summary>
    public abstract void CopyBlocks(KvCache cache, ReadOnlySpan<int> from, ReadOnlySpan<int> to);

    /// <summary>Marks the work submitted so far by the engine's thread.</summary>
    public abstract DeviceEvent Record();

    /// <summary>
    /// Copies blocks of some layers to the host, as <see cref="KvLayout"/> lays them out: <c>[layer][i]</c> of
    /// <see cref="KvLayout.BlockBytes"/> each. Waits for <paramref name="after"/> and for the copy. Any thread.
    /// </summary>
    public abstract void Gather(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, Span<byte> destination, DeviceEvent? after);

    /// <summary>
    /// The reverse of <see cref="Gather"/>: returns when every step that begins afterwards sees the data. The caller owns the
    /// blocks: no step reads or writes them meanwhile. Any thread.
    /// </summary>
    public abstract void Scatter(KvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source);

    /// <inheritdoc/>
    public abstract void Dispose();
}
