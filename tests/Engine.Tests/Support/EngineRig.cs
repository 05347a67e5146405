using ServingGrid.Kernels;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Engine.Tests.Support;

/// <summary>What a sequence has generated.</summary>
internal sealed record Generated(int[] Tokens, SequenceEnd End, IReadOnlyList<ChosenToken> Choices);

/// <summary>An engine over the tiny model on the reference device, with blocks of 8 so that short prompts have several.</summary>
internal sealed class EngineRig : IAsyncDisposable
{
    public static EngineOptions SmallOptions { get; } = new()
    {
        BlockSize = 8,
        KvType = KvType.F32,
        KvBlocks = 64,
        MaxBatchTokens = 32,
        MaxPrefillTokensWhileDecoding = 16,
        MaxSequences = 8,
    };

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public EngineRig(EngineOptions? options = null, Tokenizer? tokenizer = null, Device? device = null, TimeProvider? time = null)
    {
        Device = device ?? new ReferenceDevice();
        Engine = new InferenceEngine(TinyTransformer.Config, TinyTransformer.Weights(), "tiny", tokenizer, Device, options ?? SmallOptions, time);
    }

    public Device Device { get; }

    public InferenceEngine Engine { get; }

    public static int[] Prompt(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(TinyTransformer.VocabularySize))];
    }

    public static SequenceRequest Request(int[] prompt, int maxTokens, SamplingParameters? sampling = null) =>
        new() { Id = "test", Prompt = prompt, MaxTokens = maxTokens, Sampling = sampling ?? SamplingParameters.Greedy };

    public SequenceHandle Submit(SequenceRequest request)
    {
        SubmitResult<SequenceHandle> result = Engine.Submit(request);
        Assert.True(result.Refused is null, result.Refused?.Message);
        return result.Accepted!;
    }

    public Task<Generated> GenerateAsync(SequenceRequest request) => ReadAsync(Submit(request));

    public static async Task<Generated> ReadAsync(SequenceHandle handle)
    {
        using var patience = new CancellationTokenSource(Patience);
        List<ChosenToken> tokens = [];
        SequenceEnd? end = null;
        await foreach (SequenceUpdate update in handle.Updates.ReadAllAsync(patience.Token))
        {
            Assert.Null(end);
            end = update.End;
            if (update.Token is { } token)
            {
                tokens.Add(token);
            }
        }

        return new Generated([.. tokens.Select(token => token.Token)], Assert.IsType<SequenceEnd>(end), tokens);
    }

    /// <summary>Waits until a condition on the status holds.</summary>
    public async Task UntilAsync(Func<EngineStatus, bool> condition)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!condition(Engine.Status))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Patience, $"still waiting: {Engine.Status}");
            await Task.Delay(1);
        }
    }

    /// <summary>All blocks are free again, and none is lost.</summary>
    public async Task AssertIdleAsync()
    {
        await UntilAsync(status => status is { Running: 0, Waiting: 0, Reserved: 0, Pinned: 0 } && status.FreeBlocks == status.TotalBlocks);
        await Engine.CheckIntegrityAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Engine.CheckIntegrityAsync();
        await Engine.DisposeAsync();
        Device.Dispose();
    }
}
