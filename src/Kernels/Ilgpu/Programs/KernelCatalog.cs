using System.Reflection;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>One kernel, closed over its type parameters.</summary>
/// <param name="Name">For logs and reports: "matrix vector Q4_K".</param>
/// <param name="Method">The static method, with all type arguments.</param>
/// <param name="Hot">Runs for every layer of every step: must not touch local memory.</param>
internal sealed record KernelSource(string Name, MethodInfo Method, bool Hot);

/// <summary>Every kernel that a device may load, in the variant for one platform.</summary>
internal sealed class KernelCatalog(Type platform)
{
    /// <summary>Largest head that the attention kernels take.</summary>
    public const int MaxHeadSize = 256;

    /// <summary>Whether the platform's <see cref="IPlatform.GroupMemory{T}"/> is sized by the launch.</summary>
    public bool GroupMemoryByLaunch => platform != typeof(PortablePlatform);

    public KernelSource Norm => Source("rms norm", typeof(NormKernels), nameof(NormKernels.RmsNorm), true, platform);

    public KernelSource SwiGlu => Source("swiglu", typeof(ElementKernels), nameof(ElementKernels.SwiGlu), true, platform);

    public KernelSource Combine => Source("attention combine", typeof(AttentionKernels), nameof(AttentionKernels.Combine), true, platform);

    public KernelSource Top => Source("top candidates", typeof(TopKernels), nameof(TopKernels.Select), false);

    public KernelSource Copy => Source("block copy", typeof(CopyKernels), nameof(CopyKernels.CopyBlocks), false);

    public KernelSource Vector(GgmlType type) =>
        Source($"matrix vector {type}", typeof(MatrixKernels), nameof(MatrixKernels.Vector), true, platform, Format(type));

    public KernelSource Tile(GgmlType type) =>
        Source($"matrix tile {type}", typeof(MatrixKernels), nameof(MatrixKernels.Tile), true, platform, Format(type));

    public KernelSource Embed(GgmlType type) =>
        Source($"embed {type}", typeof(ElementKernels), nameof(ElementKernels.Embed), false, platform, Format(type));

    public KernelSource Rope(KvType type) =>
        Source($"rope append {type}", typeof(RopeKernels), nameof(RopeKernels.RopeAppend), true, platform, Element(type));

    public KernelSource Attend(KvType type, int headSize) =>
        Source($"attention {type}, heads of {HeadClass(headSize)}", typeof(AttentionKernels), nameof(AttentionKernels.Attend), true, platform, Element(type), Head(headSize));

    /// <summary>Element types of a cache that there are kernels for.</summary>
    public static IReadOnlyList<KvType> CacheTypes { get; } = [KvType.F16, KvType.F32];

    /// <summary>All of them: what the PTX test compiles.</summary>
    public IEnumerable<KernelSource> All() =>
    [
        Norm, SwiGlu, Combine, Top, Copy,
        .. Enum.GetValues<GgmlType>().SelectMany(type => (KernelSource[])[Vector(type), Tile(type), Embed(type)]),
        .. CacheTypes.SelectMany(type => (KernelSource[])[Rope(type), Attend(type, 32), Attend(type, 64), Attend(type, 128), Attend(type, 256)]),
    ];

    private static KernelSource Source(string name, Type owner, string method, bool hot, params Type[] arguments)
    {
        MethodInfo info = owner.GetMethod(method)!;
        return new KernelSource(name, arguments.Length == 0 ? info : info.MakeGenericMethod(arguments), hot);
    }

    private static int HeadClass(int headSize) => headSize switch
    {
        <= 32 => 32,
        <= 64 => 64,
        <= 128 => 128,
        <= MaxHeadSize => 256,
        _ => throw new ArgumentOutOfRangeException(nameof(headSize), headSize, $"heads of more than {MaxHeadSize} elements are not supported"),
    };

    private static Type Head(int headSize) => HeadClass(headSize) switch
    {
        32 => typeof(HeadSums32),
        64 => typeof(HeadSums<HeadSums32>),
        128 => typeof(HeadSums<HeadSums<HeadSums32>>),
        _ => typeof(HeadSums<HeadSums<HeadSums<HeadSums32>>>),
    };

    private static Type Element(KvType type) => type switch
    {
        KvType.F16 => typeof(F16Cache),
        KvType.F32 => typeof(F32Cache),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no kernels for caches of this type"),
    };

    private static Type Format(GgmlType type) => type switch
    {
        GgmlType.F32 => typeof(F32Format),
        GgmlType.F16 => typeof(F16Format),
        GgmlType.BF16 => typeof(BF16Format),
        GgmlType.Q8_0 => typeof(Q8_0Format),
        GgmlType.Q4_0 => typeof(Q4_0Format),
        GgmlType.Q4_1 => typeof(Q4_1Format),
        GgmlType.Q5_0 => typeof(Q5_0Format),
        GgmlType.Q5_1 => typeof(Q5_1Format),
        GgmlType.Q4_K => typeof(Q4_KFormat),
        GgmlType.Q5_K => typeof(Q5_KFormat),
        GgmlType.Q6_K => typeof(Q6_KFormat),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no kernel reads this tensor type"),
    };
}
