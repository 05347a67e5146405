using System.Threading.Channels;

namespace ServingGrid.Engine.Scheduling;

/// <summary>Tokens into a channel. Unbounded, because a step must not wait for a reader; a sequence's limit bounds what it can hold.</summary>
internal sealed class StreamOutput(OutputSignal signal) : ISequenceOutput
{
    private readonly Channel<SequenceUpdate> _channel = Channel.CreateUnbounded<SequenceUpdate>(
        new UnboundedChannelOptions { SingleReader = true, SingleWriter = true, AllowSynchronousContinuations = false });

    public ChannelReader<SequenceUpdate> Reader => _channel.Reader;

    public void Token(ChosenToken token)
    {
        _channel.Writer.TryWrite(new SequenceUpdate(token, null));
        signal.Note();
    }

    public void End(SequenceEnd end)
    {
        _channel.Writer.TryWrite(new SequenceUpdate(null, end));
        _channel.Writer.TryComplete();
        signal.Note();
    }

    public void Fail(EngineException reason)
    {
        _channel.Writer.TryComplete(reason);
        signal.Note();
    }
}
