using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace ServingGrid.Grains.Transfer;

/// <summary>
/// The decode side of KV transfer: listens on a port of its own, so that no token queues behind a block, and writes what authenticated peers
/// send into open reservations. A connection costs one frame of memory. Thread-safe.
/// </summary>
public sealed partial class KvReceiver : IAsyncDisposable
{
    private readonly KvTransferOptions _options;
    private readonly ReservationTable _reservations;
    private readonly ILogger<KvReceiver> _log;
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Task, bool> _connections = new();
    private readonly KvStrangers _strangers;

    // Every connection, from before it is accepted until its socket is closed.
    private readonly SemaphoreSlim _descriptors;
    private readonly Task _accepting;
    private int _peers;

    /// <summary>Listens from now on.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="SocketException">The port is taken.</exception>
    public KvReceiver(KvTransferOptions options, ReservationTable reservations, ILogger<KvReceiver> log)
    {
        options.Validate();
        _options = options;
        _reservations = reservations;
        _log = log;
        _strangers = new KvStrangers(options.MaxStrangers);
        _descriptors = new SemaphoreSlim(options.MaxConnections + 2 * options.MaxStrangers);
        _listener = new TcpListener(options.Listen);
        _listener.Start();
        LocalEndpoint = (IPEndPoint)_listener.LocalEndpoint;
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens, with the port that was free.</summary>
    public IPEndPoint LocalEndpoint { get; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections.Keys);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                await _descriptors.WaitAsync(_stopping.Token);
                socket = await AcceptOneAsync();
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException exception)
            {
                // The peer was gone before it was accepted, or descriptors ran out: neither ends the listener.
                LogAcceptFailed(exception.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(50));
                continue;
            }

            Task connection = Task.Run(() => ServeAsync(socket));
            _connections.TryAdd(connection, true);
            _ = connection.ContinueWith(ended => _connections.TryRemove(ended, out _), TaskScheduler.Default);
        }
    }

    private async Task<Socket> AcceptOneAsync()
    {
        try
        {
            return await _listener.AcceptSocketAsync(_stopping.Token);
        }
        catch
        {
            _descriptors.Release();
            throw;
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            await HandleAsync(socket);
        }
        finally
        {
            _descriptors.Release();
        }
    }

    private async Task HandleAsync(Socket socket)
    {
        using (socket)
        {
            KvSocket.Configure(socket);
            await using var stream = new NetworkStream(socket, ownsSocket: false);
            try
            {
                using (var deadline = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token))
                using (_strangers.Enter(deadline))
                {
                    deadline.CancelAfter(_options.ConnectTimeout);
                    await KvHandshake.AsReceiverAsync(stream, _options.ClusterSecret, deadline.Token);
                }

                await ReceiveAsPeerAsync(socket, stream);
            }
            catch (KvTransferException exception)
            {
                Refuse(socket, exception.Failure.ToString(), exception.Message);
            }
            catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
            {
                Refuse(socket, "timeout", "it did not authenticate in time or had to make room, or stopped in the middle of a frame");
            }
            catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException)
            {
                // We stop, or the peer closed or reset the connection: between frames that is how one ends.
            }
            catch (Exception exception)
            {
                // The device failed to take a block, say: nobody waits for this task, so it is said here.
                KvTransferMetrics.RefusedPeers.Add(1, new KeyValuePair<string, object?>("reason", "error"));
                LogConnectionFailed(exception, socket.RemoteEndPoint);
            }
        }
    }

    private async Task ReceiveAsPeerAsync(Socket socket, Stream stream)
    {
        try
        {
            if (Interlocked.Increment(ref _peers) > _options.MaxConnections)
            {
                Refuse(socket, "too_many", "there are too many connections");
                return;
            }

            await ReceiveAsync(stream);
        }
        finally
        {
            Interlocked.Decrement(ref _peers);
        }
    }

    private async Task ReceiveAsync(Stream stream)
    {
        byte[] header = new byte[KvFrame.Bytes];
        byte[] ack = new byte[KvFrame.AckBytes];
        byte[] payload = [];
        long expected = 0;
        while (true)
        {
            // Idle connections are kept; a frame that has begun must arrive in time.
            int first = await stream.ReadAsync(header, _stopping.Token);
            if (first == 0)
            {
                return;
            }

            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            deadline.CancelAfter(_options.StallTimeout);
            await ReadRestAsync(stream, header.AsMemory(first), deadline.Token);
            if (!KvFrame.TryRead(header, _options.MaxFrameBytes, out KvFrame frame) || frame.Sequence != expected)
            {
                throw new KvTransferException(KvTransferFailure.Refused, "it sent what is not the next frame");
            }

            expected++;
            if (payload.Length < frame.PayloadBytes)
            {
                payload = GC.AllocateUninitializedArray<byte>(frame.PayloadBytes);
            }

            Memory<byte> body = payload.AsMemory(0, frame.PayloadBytes);
            await ReadRestAsync(stream, body, deadline.Token);
            FrameOutcome outcome = KvFrame.IsIntact(header, body.Span) ? _reservations.Write(frame, body.Span) : FrameOutcome.Corrupt;
            KvTransferMetrics.ReceivedFrames.Add(1, new KeyValuePair<string, object?>("outcome", outcome.ToString()));
            if (outcome != FrameOutcome.Written)
            {
                LogRefusedFrame(frame.Reservation, frame.Epoch, outcome);
            }

            KvFrame.WriteAck(ack, frame.Sequence, outcome);
            await stream.WriteAsync(ack, deadline.Token);
        }
    }

    /// <summary>A connection may end between frames; one that ends inside a frame is refused like any other broken frame, and counted.</summary>
    private static async Task ReadRestAsync(Stream stream, Memory<byte> rest, CancellationToken cancellation)
    {
        try
        {
            await stream.ReadExactlyAsync(rest, cancellation);
        }
        catch (EndOfStreamException exception)
        {
            throw new KvTransferException(KvTransferFailure.Connection, "it ended in the middle of a frame", exception);
        }
    }

    private void Refuse(Socket socket, string reason, string message)
    {
        KvTransferMetrics.RefusedPeers.Add(1, new KeyValuePair<string, object?>("reason", reason));
        LogRefusedPeer(socket.RemoteEndPoint, message);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "KV transfer: the connection from {Peer} was ended: {Reason}.")]
    private partial void LogRefusedPeer(EndPoint? peer, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "KV transfer: the connection from {Peer} failed.")]
    private partial void LogConnectionFailed(Exception exception, EndPoint? peer);

    [LoggerMessage(Level = LogLevel.Warning, Message = "KV transfer: a frame for reservation {Reservation}, epoch {Epoch}, was refused: {Outcome}.")]
    private partial void LogRefusedFrame(long reservation, int epoch, FrameOutcome outcome);

    [LoggerMessage(Level = LogLevel.Warning, Message = "KV transfer: a connection could not be accepted: {Reason}")]
    private partial void LogAcceptFailed(string reason);
}
