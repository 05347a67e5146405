using ServingGrid.Engine.Sampling;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Execution;

/// <summary>Computes one plan: rows into a batch, the forward pass, a token for each sequence that has caught up. Engine's thread.</summary>
/// <remarks>
/// The last row of a chunk that fills a block gets logits too, although no token is chosen by them: it has read every key and value of its
/// sequence so far, in every layer, so that blocks can be found by others, or sent to them, only when they were seen to hold numbers. That
/// is one row of logits for each block at most, and no wait for the device that there would not be anyway.
/// </remarks>
internal sealed class StepRunner
{
    private readonly EngineResources _resources;
    private readonly StepBatch _batch;
    private readonly Sampler _sampler;
    private readonly bool _sharesBlocks;
    private readonly List<SampledRow> _rows = [];
    private readonly Choice[] _choices;

    public StepRunner(EngineResources resources, EngineOptions options, int endTokens)
    {
        _resources = resources;
        _batch = new StepBatch(options.MaxBatchTokens, options.MaxSequences);
        _sampler = new Sampler(resources.Model.Config.VocabularySize, options.MaxSequences, endTokens);
        _sharesBlocks = options.PrefixCache;
        _choices = new Choice[options.MaxSequences];
    }

    /// <summary>Tokens of a block.</summary>
    public int BlockSize => _resources.Layout.BlockSize;

    /// <summary>
    /// What became of the rows with logits of the last step, in the plan's order of those for which <see cref="HasRow"/> holds.
    /// </summary>
    public ReadOnlySpan<Choice> Choices => _choices.AsSpan(0, _rows.Count);

    /// <summary>True if a share of a step has a row with logits.</summary>
    public bool HasRow(PlannedWork work) =>
        work.Completes || ((_sharesBlocks || work.Sequence.Prefill is not null) && work.FillsBlock(BlockSize));

    /// <summary>
    /// Returns when the device has done all of it. Until then, and if it throws, nothing that belongs to a sequence has changed.
    /// </summary>
    public void Run(StepPlan plan)
    {
        _batch.Clear();
        _rows.Clear();
        for (int i = 0; i < plan.Work.Count; i++)
        {
            PlannedWork work = plan.Work[i];
            Sequence sequence = work.Sequence;
            bool hasRow = HasRow(work);
            _batch.AddSequence(
                sequence.Tokens.Slice(sequence.Computed, work.Tokens), sequence.Computed, sequence.Table.Blocks, BlockSize, hasRow ? 1 : 0);
            if (hasRow)
            {
                _rows.Add(new SampledRow(sequence, Chooses: work.Completes));
            }
        }

        _resources.Forward.Run(_batch, _resources.Cache);
        if (_rows.Count > 0)
        {
            _sampler.Sample(_resources.Device, _resources.Forward.Logits, _rows, _choices);
        }
        else
        {
            // The batch is filled anew for the next step, which needs the device to be done.
            using DeviceEvent done = _resources.Device.Record();
            done.Wait();
        }
    }
}
