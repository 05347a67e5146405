using ServingGrid.Engine;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Routing;
using ServingGrid.Grains.Transfer;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;

namespace ServingGrid.Grains.Workers;

/// <summary>What a worker serves, and with what. See <see cref="Validate"/> for the ranges.</summary>
public sealed record WorkerOptions
{
    private const int DecodePrefillTokens = 4;
    private static readonly TimeSpan DecodeMixedStep = TimeSpan.FromMilliseconds(10);

    /// <summary>GGUF file.</summary>
    public required string ModelPath { get; init; }

    /// <summary>Name under which clients ask for the model; null: the file's name without extension.</summary>
    public string? ModelName { get; init; }

    /// <summary>The name that the model has in the grid.</summary>
    public string ServedAs => ModelName ?? Path.GetFileNameWithoutExtension(ModelPath);

    public DeviceRole Role { get; init; } = DeviceRole.Both;

    /// <summary>"auto", "cpu", or another of <see cref="DeviceCatalog.List"/>.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>Threads of a CPU device; 0: one for each of <see cref="ComputeCores"/>, or of the machine's cores.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Cores of a CPU device's threads, one for each, which the process leaves to them if it has others. Empty: where the system puts them.
    /// </summary>
    public IReadOnlyList<int> ComputeCores { get; init; } = [];

    /// <summary>How a CPU device's threads compete with others.</summary>
    public ComputePriority ComputePriority { get; init; }

    /// <summary>
    /// Bytes of the KV cache, which are made present from the start on. Null: enough for <see cref="DefaultKvSequences"/> full contexts, within half of the
    /// free memory; then memory is taken a little ahead of its use.
    /// </summary>
    public long? KvMemoryBytes { get; init; }

    /// <summary>Slots of a KV block.</summary>
    public int BlockSize { get; init; } = 32;

    public KvType KvType { get; init; } = KvType.F16;

    /// <summary>Longest sequence; null: the model's context.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Most tokens of a step; null: the engine's default, or more where <see cref="MaxSequences"/> would leave prompts no room in it.</summary>
    public int? MaxBatchTokens { get; init; }

    /// <summary>Most sequences that are computed at a time.</summary>
    public int MaxSequences { get; init; } = 64;

    /// <summary>Most sequences that wait; beyond it requests are refused.</summary>
    public int MaxWaiting { get; init; } = 256;

    /// <summary>How requests and prompts are spread: one of <see cref="RoutingPolicies.Names"/>.</summary>
    public string RoutingPolicy { get; init; } = "kv-aware";

    /// <summary>When prompts are computed elsewhere.</summary>
    public DisaggregationOptions Disaggregation { get; init; } = new();

    /// <summary>How KV blocks travel.</summary>
    public KvTransferOptions Transfer { get; init; } = new();

    /// <summary>
    /// <see cref="EngineOptions.MixedStepTarget"/>; null: 10 ms for a decode worker, whose streams are what it is there for and whose own prompts are
    /// short, else that of the engine.
    /// </summary>
    public TimeSpan? MixedStepTarget { get; init; }

    /// <summary>Full contexts that the KV cache holds by default.</summary>
    public const int DefaultKvSequences = 32;

    private static readonly EngineOptions EngineDefaults = new();

    /// <summary>The first value that is out of range ends the start with one sentence.</summary>
    /// <exception cref="StartupException">A value is out of range.</exception>
    public void Validate()
    {
        Check(ModelPath.Length > 0, "No model file is given.");
        Check(ModelName is null or { Length: > 0 and <= 256 }, "The model's name must have 1 … 256 characters.");
        Check(Enum.IsDefined(Role), $"There is no role {Role}: prefill, decode and both are.");
        Check(Threads is >= 0 and <= 1024, $"Threads must be 0 (all cores) … 1024, not {Threads}.");
        Check(
            ComputeCores.Count == 0 || Threads <= ComputeCores.Count,
            $"{Threads} threads do not fit on {ComputeCores.Count} compute cores: --threads must not say more than --compute-cores.");
        Check(
            (ComputeCores.Count == 0 && ComputePriority == ComputePriority.Normal) || DeviceCatalog.Resolve(Device) == DeviceCatalog.Cpu,
            $"--compute-cores and --compute-priority are for the device cpu, not for {Device}.");
        Check(RoutingPolicies.Names.Contains(RoutingPolicy), $"There is no routing policy {RoutingPolicy}: {string.Join(", ", RoutingPolicies.Names)} are.");
        try
        {
            ToEngineOptions().Validate();
            Disaggregation.Validate();
            Transfer.Validate();
        }
        catch (ArgumentException exception)
        {
            throw new StartupException(exception.Message, exception);
        }

        static void Check(bool holds, string sentence)
        {
            if (!holds)
            {
                throw new StartupException(sentence);
            }
        }
    }

    internal EngineOptions ToEngineOptions() => new()
    {
        MaxBatchTokens = MaxBatchTokens ?? Math.Max(EngineDefaults.MaxBatchTokens, MaxSequences + EngineDefaults.MaxPrefillTokensWhileDecoding),
        BlockSize = BlockSize,
        KvType = KvType,
        KvMemoryBytes = KvMemoryBytes,
        PrepareKvMemory = KvMemoryBytes is not null,
        ContextLength = ContextLength,
        MaxSequences = MaxSequences,
        MaxWaiting = MaxWaiting,
        MinPrefillTokensWhileDecoding = Role == DeviceRole.Decode ? DecodePrefillTokens : new EngineOptions().MinPrefillTokensWhileDecoding,
        MixedStepTarget = MixedStepTarget ?? (Role == DeviceRole.Decode ? DecodeMixedStep : new EngineOptions().MixedStepTarget),
    };
}
