using ServingGrid.Engine.Sampling;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Execution;

/// <summary>Computes one plan: rows into a batch, the forward pass, a token for each sequence that has caught up. Engine's thread.</summary>
internal sealed class StepRunner
{
    private readonly EngineResources _resources;
    private readonly StepBatch _batch;
    private readonly Sampler _sampler;
    private readonly List<Sequence> _sampled = [];
    private readonly ChosenToken?[] _chosen;

    public StepRunner(EngineResources resources, EngineOptions options, int endTokens)
    {
        _resources = resources;
        _batch = new StepBatch(options.MaxBatchTokens, options.MaxSequences);
        _sampler = new Sampler(resources.Model.Config.VocabularySize, options.MaxSequences, endTokens);
        _chosen = new ChosenToken?[options.MaxSequences];
    }

    /// <summary>Sequences whose token was chosen in the last step.</summary>
    public IReadOnlyList<Sequence> Sampled => _sampled;

    /// <summary>Their tokens; null where the logits are not numbers.</summary>
    public ReadOnlySpan<ChosenToken?> Chosen => _chosen.AsSpan(0, _sampled.Count);

    /// <summary>Returns when the device has done all of it.</summary>
    public void Run(StepPlan plan)
    {
        _batch.Clear();
        _sampled.Clear();
        for (int i = 0; i < plan.Work.Count; i++)
        {
            PlannedWork work = plan.Work[i];
            Sequence sequence = work.Sequence;
            bool completes = work.Completes;
            _batch.AddSequence(
                sequence.Tokens.Slice(sequence.Computed, work.Tokens), sequence.Computed, sequence.Table.Blocks, _resources.Layout.BlockSize, completes ? 1 : 0);
            if (completes)
            {
                _sampled.Add(sequence);
            }
        }

        _resources.Forward.Run(_batch, _resources.Cache);
        if (_sampled.Count > 0)
        {
            _sampler.Sample(_resources.Device, _resources.Forward.Logits, _sampled, _chosen);
        }
        else
        {
            // The batch is filled anew for the next step, and finished blocks are announced: both need the device to be done.
            using DeviceEvent done = _resources.Device.Record();
            done.Wait();
        }
    }
}
