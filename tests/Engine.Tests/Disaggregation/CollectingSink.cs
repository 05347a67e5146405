using System.Threading.Channels;
using ServingGrid.Engine.Disaggregation;

namespace ServingGrid.Engine.Tests.Disaggregation;

/// <summary>Notes what it is told; tests fetch blocks at their own pace.</summary>
internal sealed class CollectingSink : IPrefillSink
{
    private readonly Channel<(int First, int Count)> _ready = Channel.CreateUnbounded<(int, int)>();
    private readonly TaskCompletionSource<(ChosenToken First, int Cached)> _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ChannelReader<(int First, int Count)> Ready => _ready.Reader;

    public Task<(ChosenToken First, int Cached)> Completed => _completed.Task;

    public void BlocksReady(PrefillHandle prefill, int firstBlock, int count) => _ready.Writer.TryWrite((firstBlock, count));

    void IPrefillSink.Completed(PrefillHandle prefill, ChosenToken first, int cachedTokens)
    {
        _ready.Writer.Complete();
        _completed.SetResult((first, cachedTokens));
    }

    public void Failed(PrefillHandle prefill, EngineException reason)
    {
        _ready.Writer.TryComplete();
        _completed.TrySetException(reason);
    }
}
