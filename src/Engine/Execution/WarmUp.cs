using Microsoft.Extensions.Logging;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Engine.Stopping;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// A few sequences on an engine's own device, so that the first client does not wait while .NET compiles what computes: a prompt, then several sequences that
/// decode together and choose their tokens in each of the ways that there are. Engine's thread, before it has computed anything.
/// </summary>
/// <remarks>
/// Scheduler, blocks, prefix cache and statistics are those of a second core that is thrown away: the engine's own never hear of it. What it leaves in the
/// KV cache is in blocks that are free, which are written before they are read.
/// </remarks>
internal sealed class WarmUp(EngineResources resources, EngineOptions options, TimeProvider time, ILogger logger)
{
    private const int PromptTokens = 48;
    private const int NewTokens = 4;

    /// <summary>Computes until it is done, or until <paramref name="isWanted"/> says that somebody waits, which it is asked before each step.</summary>
    /// <returns>True if it has come to its end.</returns>
    /// <exception cref="EngineException">The model's output is not a number. Whatever else is thrown: the device has failed.</exception>
    public bool Run(Func<bool> isWanted)
    {
        using CommandQueue commands = new(time);
        EngineStatistics statistics = new(time, new EngineLife());
        WaitingLimit waiting = new(options.MaxWaiting);
        EngineCore core = new(resources, options, endTokens: 0, commands, statistics, waiting, time, logger);
        foreach (SamplingParameters[] together in Samplings)
        {
            StreamOutput[] outputs = [.. together.Select(sampling => Enqueue(core, waiting, sampling))];
            while (core.Ledger.Live.Count > 0)
            {
                if (isWanted())
                {
                    return false;
                }

                commands.RunAll();
                if (!core.TryStep())
                {
                    throw new InvalidOperationException("a warm-up sequence found no room in an engine that computes nothing else");
                }
            }

            foreach (StreamOutput output in outputs)
            {
                Read(output);
            }
        }

        return true;
    }

    // The first alone, because what it computes is found in the prefix cache by the others.
    private static SamplingParameters[][] Samplings =>
    [
        [SamplingParameters.Greedy],
        [
            SamplingParameters.Greedy,
            new SamplingParameters { Seed = 1, TopK = 40, TopP = 0.9f },
            new SamplingParameters { Seed = 2 },
        ],
    ];

    // A sequence that failed ends its stream with the reason.
    private static void Read(StreamOutput output)
    {
        while (output.Reader.TryRead(out _))
        {
        }

        output.Reader.Completion.GetAwaiter().GetResult();
    }

    private StreamOutput Enqueue(EngineCore core, WaitingLimit waiting, SamplingParameters sampling)
    {
        int length = Math.Min(PromptTokens, resources.ContextLength - 1);
        SequenceRequest request = new()
        {
            Id = "warm-up",
            Prompt = [.. Enumerable.Range(0, length).Select(i => i % resources.Model.Config.VocabularySize)],
            MaxTokens = NewTokens,
            IgnoreEos = true,
            Sampling = sampling,
        };
        StreamOutput output = new(new OutputSignal());
        BlockHashChain hashes = new(root: 0, options.BlockSize);
        waiting.TryEnter();
        core.Ledger.Enqueue(new Sequence(request, RequestCheck.Limit(request, resources.ContextLength), hashes, new StopRules([], request, tokenizer: null), output));
        return output;
    }
}
