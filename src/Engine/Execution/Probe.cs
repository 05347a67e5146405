using ServingGrid.Engine.Sampling;
using ServingGrid.Kernels;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// A step of the engine's own that cannot fail by anybody's fault, in a block that is never given to a sequence: tells whether the device
/// computes at all, when one of theirs has failed. Engine's thread.
/// </summary>
internal sealed class Probe
{
    private const int MostTokens = 4;
    private readonly EngineResources _resources;
    private readonly StepBatch _batch;
    private readonly int[] _tokens;
    private readonly int[] _ids = new int[1];
    private readonly float[] _values = new float[1];

    public Probe(EngineResources resources, EngineOptions options)
    {
        _resources = resources;
        int count = Math.Min(MostTokens, Math.Min(options.MaxBatchTokens, resources.ContextLength));
        _tokens = [.. Enumerable.Range(0, count).Select(i => i % resources.Model.Config.VocabularySize)];
        _batch = new StepBatch(count, 1);
    }

    /// <summary>Returns if the device computes, so that <paramref name="failure"/> has another cause.</summary>
    /// <exception cref="DeviceFault">It does not.</exception>
    public void Verify(Exception failure)
    {
        try
        {
            Run();
        }
        catch (Exception e)
        {
            throw new DeviceFault(failure, e);
        }
    }

    /// <summary>Waits for all that the device was given before, and computes the step.</summary>
    private void Run()
    {
        using (DeviceEvent before = _resources.Device.Record())
        {
            before.Wait();
        }

        _batch.Clear();
        _batch.AddSequence(_tokens, 0, [_resources.ProbeBlock], _resources.Layout.BlockSize, 1);
        _resources.Forward.Run(_batch, _resources.Cache);
        _resources.Device.TopCandidates(_resources.Forward.Logits, 1, 1, _ids, _values);
        if (!LogitRule.Allows(_values[0]))
        {
            throw new InvalidOperationException("the model's output is not a number, whatever the prompt");
        }
    }
}
