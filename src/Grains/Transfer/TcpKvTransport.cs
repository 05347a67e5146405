using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using ServingGrid.Engine.Disaggregation;

namespace ServingGrid.Grains.Transfer;

/// <summary>
/// KV transfer over TCP: one connection to each peer, made when first needed and again after it broke. Blocks are gathered piece by piece into
/// pooled buffers, a window of which is in flight.
/// </summary>
public sealed class TcpKvTransport : IKvTransport, IDisposable
{
    // No failure stays in here: it would be that of every later transfer.
    private readonly ConcurrentDictionary<string, Lazy<Task<KvConnection>>> _connections = new(StringComparer.Ordinal);
    private readonly KvTransferOptions _options;
    private readonly Func<Socket> _open;

    public TcpKvTransport(KvTransferOptions options)
        : this(options, () => new Socket(SocketType.Stream, ProtocolType.Tcp))
    {
    }

    /// <param name="options">How it sends.</param>
    /// <param name="open">Makes a socket.</param>
    internal TcpKvTransport(KvTransferOptions options, Func<Socket> open) => (_options, _open) = (options, open);

    /// <inheritdoc/>
    public async Task SendAsync(KvTarget target, PrefillHandle source, int firstBlock, int count, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            KvConnection connection = await GetAsync(target.Endpoint).WaitAsync(cancellation);
            var pieces = new List<Task>();
            using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            try
            {
                foreach (KvPiece piece in KvPieces.Cut(source.Layout, firstBlock, count, _options.MaxFrameBytes))
                {
                    await connection.EnterAsync(failed.Token);
                    pieces.Add(SendPieceAsync(connection, target, source, piece, failed));
                }
            }
            catch (OperationCanceledException) when (failed.IsCancellationRequested && !cancellation.IsCancellationRequested)
            {
                // A piece has failed: WhenAll says which and why.
            }
            finally
            {
                // Frames that are on their way hold buffers and gather from the source: none outlives this call. Each has its own deadline.
                await Task.WhenAll(pieces).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await Task.WhenAll(pieces);
            KvTransferMetrics.Seconds.Record(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        catch (KvTransferException exception)
        {
            KvTransferMetrics.Failures.Add(1, KvTransferMetrics.Reason(exception.Failure));
            throw;
        }
    }

    /// <summary>Peers that it has a connection to, or had one to since the last new peer.</summary>
    internal int Connections => _connections.Count;

    /// <summary>Closes the connections; transfers in progress fail.</summary>
    public void Dispose()
    {
        foreach (Lazy<Task<KvConnection>> connection in _connections.Values)
        {
            if (connection.IsValueCreated)
            {
                connection.Value.ContinueWith(made => made.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            }
        }

        _connections.Clear();
    }

    private async Task SendPieceAsync(KvConnection connection, KvTarget target, PrefillHandle source, KvPiece piece, CancellationTokenSource failed)
    {
        int bytes = piece.Bytes(source.Layout);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(KvFrame.Bytes + bytes);
        try
        {
            var frame = new KvFrame(0, target.Reservation, target.Epoch, piece.FirstBlock, piece.FirstLayer, piece.Layers, bytes);
            for (int attempt = 0; ; attempt++)
            {
                if (!source.TryGather(piece.FirstBlock, piece.Blocks, piece.FirstLayer, piece.Layers, buffer.AsSpan(KvFrame.Bytes, bytes)))
                {
                    throw new KvTransferException(KvTransferFailure.SourceGone, "the prefill's blocks were released before they were sent");
                }

                FrameOutcome outcome = await connection.SendAsync(frame, buffer);

                // A resent frame may find that its first copy was written: the blocks are there, which is what counts.
                if (outcome == FrameOutcome.Written || (outcome == FrameOutcome.Duplicate && attempt > 0))
                {
                    KvTransferMetrics.SentBytes.Add(bytes);
                    return;
                }

                if (outcome != FrameOutcome.Corrupt || attempt == _options.MaxResends)
                {
                    throw new KvTransferException(KvTransferFailure.Refused, $"the receiver refused a frame: {outcome}");
                }

                KvTransferMetrics.Resends.Add(1);
            }
        }
        catch
        {
            await failed.CancelAsync();
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            connection.Leave();
        }
    }

    private async Task<KvConnection> GetAsync(string endpoint)
    {
        while (true)
        {
            Lazy<Task<KvConnection>> entry = _connections.GetOrAdd(endpoint, key => new Lazy<Task<KvConnection>>(() => Connect(key)));
            try
            {
                KvConnection connection = await entry.Value;
                if (connection.IsUsable)
                {
                    return connection;
                }
            }
            catch
            {
                // Whatever it was: the next transfer tries again.
                _connections.TryRemove(KeyValuePair.Create(endpoint, entry));
                throw;
            }

            _connections.TryRemove(KeyValuePair.Create(endpoint, entry));
        }
    }

    private async Task<KvConnection> Connect(string endpoint)
    {
        // Silos come and go, each with a port of its own: what is left of those that went goes when a new one comes.
        foreach ((string peer, Lazy<Task<KvConnection>> entry) in _connections)
        {
            if (entry.IsValueCreated && entry.Value.IsCompletedSuccessfully && !entry.Value.Result.IsUsable)
            {
                _connections.TryRemove(KeyValuePair.Create(peer, entry));
            }
        }

        return await KvConnection.ConnectAsync(endpoint, _options, _open);
    }
}
