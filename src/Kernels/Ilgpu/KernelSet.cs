using System.Collections.Concurrent;
using ILGPU;
using ILGPU.Runtime;
using ServingGrid.Kernels.Ilgpu.Programs;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>Kernels that read one tensor type.</summary>
internal sealed record FormatKernels(
    Action<AcceleratorStream, KernelConfig, MatrixArguments> Vector,
    Action<AcceleratorStream, KernelConfig, MatrixArguments> Tile,
    Action<AcceleratorStream, KernelConfig, EmbedArguments> Embed);

/// <summary>Kernels for one element type of the cache and one size of head.</summary>
internal sealed record CacheKernels(
    Action<AcceleratorStream, KernelConfig, RopeArguments> Rope,
    Action<AcceleratorStream, KernelConfig, AttentionArguments> Attend);

/// <summary>
/// Every kernel of a device, loaded before the first step: those that every model needs when the device is opened, those of a
/// tensor type with the first matrix of that type, those of a cache with the cache. Kept here, because ILGPU unloads a kernel
/// that nobody refers to.
/// </summary>
internal sealed class KernelSet(IlgpuRuntime runtime)
{
    private readonly ConcurrentDictionary<GgmlType, Lazy<FormatKernels>> _formats = new();
    private readonly ConcurrentDictionary<(KvType, int HeadSize), Lazy<CacheKernels>> _caches = new();

    public Action<AcceleratorStream, KernelConfig, NormArguments> Norm { get; } = runtime.Load<NormArguments>(runtime.Catalog.Norm);

    public Action<AcceleratorStream, KernelConfig, SwiGluArguments> SwiGlu { get; } = runtime.Load<SwiGluArguments>(runtime.Catalog.SwiGlu);

    public Action<AcceleratorStream, KernelConfig, AttentionArguments> Combine { get; } = runtime.Load<AttentionArguments>(runtime.Catalog.Combine);

    public Action<AcceleratorStream, KernelConfig, TopArguments> Top { get; } = runtime.Load<TopArguments>(runtime.Catalog.Top);

    public Action<AcceleratorStream, KernelConfig, CopyArguments> Copy { get; } = runtime.Load<CopyArguments>(runtime.Catalog.Copy);

    public FormatKernels Format(GgmlType type) => _formats.GetOrAdd(type, t => new(() => new(
        runtime.Load<MatrixArguments>(runtime.Catalog.Vector(t)),
        runtime.Load<MatrixArguments>(runtime.Catalog.Tile(t)),
        runtime.Load<EmbedArguments>(runtime.Catalog.Embed(t))))).Value;

    public CacheKernels Cache(KvType type, int headSize) => _caches.GetOrAdd((type, headSize), key => new(() => new(
        runtime.Load<RopeArguments>(runtime.Catalog.Rope(key.Item1)),
        runtime.Load<AttentionArguments>(runtime.Catalog.Attend(key.Item1, key.HeadSize))))).Value;
}
