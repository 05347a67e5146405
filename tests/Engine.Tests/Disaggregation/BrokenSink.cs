using ServingGrid.Engine.Disaggregation;

namespace ServingGrid.Engine.Tests.Disaggregation;

/// <summary>A sink that throws in one of its calls.</summary>
public sealed class BrokenSink(BrokenSink.Call broken) : IPrefillSink
{
    private readonly TaskCompletionSource<EngineException> _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public enum Call
    {
        BlocksReady,
        Completed,
        Failed,
    }

    public Task<EngineException> Failure => _failure.Task;

    public void BlocksReady(PrefillHandle prefill, int firstBlock, int count) => Throw(Call.BlocksReady);

    public void Completed(PrefillHandle prefill, ChosenToken first, int cachedTokens) => Throw(Call.Completed);

    public void Failed(PrefillHandle prefill, EngineException reason)
    {
        _failure.TrySetResult(reason);
        Throw(Call.Failed);
    }

    private void Throw(Call call)
    {
        if (call == broken)
        {
            throw new InvalidOperationException("broken sink");
        }
    }
}
