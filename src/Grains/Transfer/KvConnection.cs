using System.Collections.Concurrent;
using System.Net.Sockets;

namespace ServingGrid.Grains.Transfer;

/// <summary>
/// An authenticated connection to one peer, shared by all transfers to it: frames go out one after the other, several wait for their
/// acknowledgement. Once broken it stays so, and everything in flight on it fails. Thread-safe.
/// </summary>
internal sealed class KvConnection : IDisposable
{
    private readonly KvTransferOptions _options;
    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly SemaphoreSlim _window;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly ConcurrentDictionary<long, TaskCompletionSource<FrameOutcome>> _unacknowledged = new();
    private readonly CancellationTokenSource _closed = new();
    private long _next;
    private volatile KvTransferException? _failure;

    private KvConnection(Socket socket, NetworkStream stream, KvTransferOptions options)
    {
        _options = options;
        _socket = socket;
        _stream = stream;
        _window = new SemaphoreSlim(options.FramesInFlight);
        _ = Task.Run(ReadAcksAsync);
    }

    /// <summary>False once broken: the next transfer needs a new one.</summary>
    public bool IsUsable => _failure is null;

    /// <param name="endpoint">"host:port".</param>
    /// <param name="options">Secret and deadlines.</param>
    /// <param name="open">Makes a socket.</param>
    /// <exception cref="KvTransferException">The peer cannot be reached or refuses the secret, or no descriptor is left.</exception>
    public static async Task<KvConnection> ConnectAsync(string endpoint, KvTransferOptions options, Func<Socket> open)
    {
        int colon = endpoint.LastIndexOf(':');
        if (colon < 1 || !ushort.TryParse(endpoint.AsSpan(colon + 1), out ushort port))
        {
            throw new KvTransferException(KvTransferFailure.Connection, $"'{endpoint}' is not host:port");
        }

        Socket? socket = null;
        try
        {
            socket = open();
            KvSocket.Configure(socket);
            using var deadline = new CancellationTokenSource(options.ConnectTimeout);
            await socket.ConnectAsync(endpoint[..colon].Trim('[', ']'), port, deadline.Token);
            var stream = new NetworkStream(socket, ownsSocket: true);
            await KvHandshake.AsSenderAsync(stream, options.ClusterSecret, deadline.Token);
            return new KvConnection(socket, stream, options);
        }
        catch (Exception exception)
        {
            socket?.Dispose();
            throw exception switch
            {
                KvTransferException => exception,
                OperationCanceledException => new KvTransferException(KvTransferFailure.Stalled, $"{endpoint} did not answer within {options.ConnectTimeout.TotalSeconds:0.#} s", exception),
                _ => new KvTransferException(KvTransferFailure.Connection, $"{endpoint} cannot be reached: {exception.Message}", exception),
            };
        }
    }

    /// <summary>Waits for a free place in the window; give it back with <see cref="Leave"/>.</summary>
    public async Task EnterAsync(CancellationToken cancellation)
    {
        try
        {
            await _window.WaitAsync(cancellation).WaitAsync(_closed.Token);
        }
        catch (OperationCanceledException) when (_failure is { } failure)
        {
            throw Again(failure);
        }
    }

    public void Leave() => _window.Release();

    /// <summary>Sends a frame and waits for its acknowledgement.</summary>
    /// <param name="frame">Header; its sequence number is filled in here.</param>
    /// <param name="buffer">Room for the header, then the payload.</param>
    /// <exception cref="KvTransferException">The connection broke, or the peer stalled.</exception>
    public async Task<FrameOutcome> SendAsync(KvFrame frame, byte[] buffer)
    {
        var acknowledged = new TaskCompletionSource<FrameOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(_closed.Token);
        try
        {
            // The stall limit counts progress: a frame's turn to be written, its writing, and its acknowledgement each have it.
            await Within(_writing.WaitAsync(deadline.Token));
            try
            {
                frame = frame with { Sequence = _next++ };
                _unacknowledged[frame.Sequence] = acknowledged;
                frame.Write(buffer);
                deadline.CancelAfter(_options.StallTimeout);
                await _stream.WriteAsync(buffer.AsMemory(0, KvFrame.Bytes + frame.PayloadBytes), deadline.Token);
            }
            finally
            {
                _writing.Release();
            }

            return await acknowledged.Task.WaitAsync(_options.StallTimeout, _closed.Token);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException && _failure is null)
        {
            Break(new KvTransferException(KvTransferFailure.Stalled, $"no acknowledgement within {_options.StallTimeout.TotalSeconds:0.#} s", exception));
        }
        catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException or OperationCanceledException or TimeoutException)
        {
            Break(new KvTransferException(KvTransferFailure.Connection, $"the connection broke: {exception.Message}", exception));
        }
        finally
        {
            _unacknowledged.TryRemove(frame.Sequence, out _);
        }

        throw Again(_failure!);

        Task Within(Task task) => task.WaitAsync(_options.StallTimeout * _options.FramesInFlight);
    }

    public void Dispose() => Break(new KvTransferException(KvTransferFailure.Connection, "the transport was closed"));

    private async Task ReadAcksAsync()
    {
        byte[] ack = new byte[KvFrame.AckBytes];
        try
        {
            while (true)
            {
                await _stream.ReadExactlyAsync(ack, _closed.Token);
                (long sequence, FrameOutcome outcome) = KvFrame.ReadAck(ack);
                if (_unacknowledged.TryGetValue(sequence, out TaskCompletionSource<FrameOutcome>? waiting))
                {
                    waiting.TrySetResult(outcome);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            Break(new KvTransferException(KvTransferFailure.Connection, $"the connection broke: {exception.Message}", exception));
        }
    }

    /// <summary>The first reason stays; whoever waits on this connection finds it.</summary>
    private void Break(KvTransferException reason)
    {
        if (Interlocked.CompareExchange(ref _failure, reason, null) is null)
        {
            _closed.Cancel();
            _socket.Dispose();
        }
    }

    // An exception object must not be thrown by several waiters at a time: each gets its own.
    private static KvTransferException Again(KvTransferException failure) => new(failure.Failure, failure.Message, failure);
}
