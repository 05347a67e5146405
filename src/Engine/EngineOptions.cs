using ServingGrid.Kernels;

namespace ServingGrid.Engine;

/// <summary>How an engine uses its device. See <see cref="Validate"/> for the ranges.</summary>
public sealed record EngineOptions
{
    /// <summary>Slots (tokens) of a KV block.</summary>
    public int BlockSize { get; init; } = 32;

    /// <summary>Element type of the KV cache.</summary>
    public KvType KvType { get; init; } = KvType.F16;

    /// <summary>
    /// Blocks that sequences get; the engine has one more for itself. Null: from <see cref="KvMemoryBytes"/>, or else from <see
    /// cref="KvMemoryFraction"/>.
    /// </summary>
    public int? KvBlocks { get; init; }

    /// <summary>Bytes of the KV cache, of which one block is the engine's own.</summary>
    public long? KvMemoryBytes { get; init; }

    /// <summary>Share of the device's free memory, once the weights are loaded, that the KV cache takes.</summary>
    public double KvMemoryFraction { get; init; } = 0.5;

    /// <summary>
    /// Make the memory of the whole KV cache present from the start on, in the background, not only some megabytes ahead of its use: no stream is held up
    /// later by a system that has to find memory first. For a cache of a size that somebody chose.
    /// </summary>
    public bool PrepareKvMemory { get; init; }

    /// <summary>Most tokens (rows) of a step: small favours latency between tokens, large favours throughput of prompts.</summary>
    public int MaxBatchTokens { get; init; } = 512;

    /// <summary>Most prompt tokens of a step in which other sequences decode: bounds the gap that a prompt tears into their streams.</summary>
    public int MaxPrefillTokensWhileDecoding { get; init; } = 128;

    /// <summary>Fewest prompt tokens of such a step, whatever it takes. Few mean steady streams and prompts that wait.</summary>
    public int MinPrefillTokensWhileDecoding { get; init; } = 16;

    /// <summary>
    /// What such a step is to take at most, by the time of earlier ones; half as long again as a step without prompt tokens is always allowed, and so is
    /// <see cref="MinPrefillTokensWhileDecoding"/>.
    /// </summary>
    public TimeSpan MixedStepTarget { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Most sequences that hold blocks at a time.</summary>
    public int MaxSequences { get; init; } = 64;

    /// <summary>Most sequences that wait for their first blocks; beyond it they are refused.</summary>
    public int MaxWaiting { get; init; } = 256;

    /// <summary>Longest sequence in tokens; null: the model's context. Never more than the model's or than the KV cache holds.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Share the KV of equal prefixes.</summary>
    public bool PrefixCache { get; init; } = true;

    /// <summary>Default life of a reservation and of pinned blocks.</summary>
    public TimeSpan ReservationLifetime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often within <see cref="FailureWindow"/> the engine may fail and come back. One failure more, and it is out of service for good,
    /// so that somebody looks at the device: 0 lets the first one be the last.
    /// </summary>
    public int MaxFailures { get; init; } = 5;

    /// <summary>How long a failure counts.</summary>
    public TimeSpan FailureWindow { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>One sentence for the first value that is out of range.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public void Validate()
    {
        Check(BlockSize is >= 8 and <= 256 && BlockSize % 8 == 0, nameof(BlockSize), BlockSize, "a multiple of 8 in 8 … 256");
        Check(Enum.IsDefined(KvType), nameof(KvType), KvType, "F16, F32 or Q8");
        Check(KvBlocks is null or (>= 2 and <= 1 << 24), nameof(KvBlocks), KvBlocks, "in 2 … 16777216");
        Check(KvMemoryBytes is null or > 0, nameof(KvMemoryBytes), KvMemoryBytes, "positive");
        Check(KvMemoryFraction is > 0 and <= 1, nameof(KvMemoryFraction), KvMemoryFraction, "in (0, 1]");
        Check(MaxBatchTokens is >= 1 and <= 65536, nameof(MaxBatchTokens), MaxBatchTokens, "in 1 … 65536");
        Check(MaxPrefillTokensWhileDecoding is >= 1 and <= 65536, nameof(MaxPrefillTokensWhileDecoding), MaxPrefillTokensWhileDecoding, "in 1 … 65536");
        Check(MinPrefillTokensWhileDecoding >= 1, nameof(MinPrefillTokensWhileDecoding), MinPrefillTokensWhileDecoding, "at least 1");
        Check(MixedStepTarget > TimeSpan.Zero && MixedStepTarget <= TimeSpan.FromMinutes(1), nameof(MixedStepTarget), MixedStepTarget, "above zero and at most a minute");
        Check(MaxSequences is >= 1 and <= 4096, nameof(MaxSequences), MaxSequences, "in 1 … 4096");
        Check(MaxBatchTokens > MaxSequences, nameof(MaxBatchTokens), MaxBatchTokens, $"more than MaxSequences ({MaxSequences}), so that prompts advance while all of them decode");
        Check(MaxWaiting is >= 1 and <= 1 << 20, nameof(MaxWaiting), MaxWaiting, "in 1 … 1048576");
        Check(ContextLength is null or >= 2, nameof(ContextLength), ContextLength, "at least 2");
        Check(ReservationLifetime > TimeSpan.Zero && ReservationLifetime <= TimeSpan.FromHours(1), nameof(ReservationLifetime), ReservationLifetime, "above zero and at most an hour");
        Check(MaxFailures is >= 0 and <= 1000, nameof(MaxFailures), MaxFailures, "in 0 … 1000");
        bool windowHolds = FailureWindow > TimeSpan.Zero && FailureWindow <= TimeSpan.FromDays(1);
        Check(windowHolds, nameof(FailureWindow), FailureWindow, "above zero and at most a day");
    }

    private static void Check<T>(bool holds, string name, T value, string range)
    {
        if (!holds)
        {
            throw new ArgumentException($"{name} is {value}; it must be {range}", name);
        }
    }
}
