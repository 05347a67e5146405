using System.Threading.Channels;

namespace ServingGrid.Client.Requests;

/// <summary>
/// What one attempt has brought, each token once and in order, whichever way it came first: by its stream, which is complete and in order, or pushed
/// ahead of it, which may be lost or overtaken. Thread-safe; <see cref="Reader"/> has one reader.
/// </summary>
/// <param name="time">Clock of <see cref="Lived"/>.</param>
internal sealed class AttemptItems(TimeProvider time)
{
    private readonly Channel<GenerateUpdate> _items = Channel.CreateUnbounded<GenerateUpdate>(new() { SingleReader = true });
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, GeneratedToken[]> _early = [];
    private int _streamed;
    private int _delivered;
    private string? _device;
    private SiloAddress? _silo;
    private long? _admitted;
    private long? _lastSign;

    /// <summary>The items; completed with what ended the attempt.</summary>
    public ChannelReader<GenerateUpdate> Reader => _items.Reader;

    /// <summary>The device that runs the attempt, once it has said so.</summary>
    public string? Device
    {
        get
        {
            lock (_gate)
            {
                return _device;
            }
        }
    }

    /// <summary>The process that runs the attempt, once it has said so.</summary>
    public SiloAddress? Silo
    {
        get
        {
            lock (_gate)
            {
                return _silo;
            }
        }
    }

    /// <summary>From the moment when <see cref="Device"/> took the attempt to its last item or token; null before that moment.</summary>
    public TimeSpan? Lived
    {
        get
        {
            lock (_gate)
            {
                return _admitted is { } admitted ? time.GetElapsedTime(admitted, _lastSign!.Value) : null;
            }
        }
    }

    /// <summary>What ended the attempt.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>The next item of the stream.</summary>
    public void Add(GenerateUpdate item)
    {
        lock (_gate)
        {
            _lastSign = time.GetTimestamp();
            if (item.Device is not null && _device is null)
            {
                (_device, _admitted) = (item.Device, _lastSign);
            }

            if (item.Placed is not null)
            {
                // Nothing that a reader could go on with: another attempt may be the first to answer.
                _silo ??= item.Placed;
                return;
            }

            int known = _delivered - _streamed;
            _streamed += item.Tokens.Count;
            if (known > 0 && item.Tokens.Count > 0)
            {
                item = item with { Tokens = [.. item.Tokens.Skip(known)] };
            }

            _delivered += item.Tokens.Count;
            _items.Writer.TryWrite(item);
            DeliverEarly();
        }
    }

    /// <summary>Tokens that came ahead of the stream.</summary>
    /// <param name="first">Number of those before them.</param>
    /// <param name="tokens">One or more.</param>
    /// <param name="numerics"><see cref="PushedTokens.Numerics"/></param>
    public void Push(int first, GeneratedToken[] tokens, string? numerics = null)
    {
        lock (_gate)
        {
            _lastSign = time.GetTimestamp();
            if (first > _delivered)
            {
                // Overtook others, which are on their way, or will come by the stream.
                _early.TryAdd(first, tokens);
                return;
            }

            Deliver(first, tokens, numerics);
            DeliverEarly();
        }
    }

    /// <summary>The attempt has ended; null: as it should.</summary>
    public void Complete(Exception? failure)
    {
        Failure = failure;
        _items.Writer.TryComplete(failure);
    }

    private void DeliverEarly()
    {
        while (_early.Count > 0 && _early.First() is var (first, tokens) && first <= _delivered)
        {
            _early.Remove(first);
            Deliver(first, tokens, null);
        }
    }

    private void Deliver(int first, GeneratedToken[] tokens, string? numerics)
    {
        int known = _delivered - first;
        if (known < tokens.Length)
        {
            _delivered = first + tokens.Length;
            _items.Writer.TryWrite(new GenerateUpdate { Tokens = tokens[known..], Numerics = numerics });
        }
    }
}
