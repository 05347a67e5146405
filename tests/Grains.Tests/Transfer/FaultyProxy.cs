using System.Net;
using System.Net.Sockets;

namespace ServingGrid.Grains.Tests.Transfer;

/// <summary>A network between two silos that can be told to misbehave: what it does to the sender's bytes is the test's.</summary>
internal sealed class FaultyProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly string _target;
    private readonly Func<long, Memory<byte>, ValueTask<bool>> _onSenderBytes;
    private readonly Task _running;

    /// <param name="target">The receiver, "host:port".</param>
    /// <param name="onSenderBytes">Offset in the connection and the bytes, which it may change; false cuts the connection.</param>
    public FaultyProxy(string target, Func<long, Memory<byte>, ValueTask<bool>> onSenderBytes)
    {
        _target = target;
        _onSenderBytes = onSenderBytes;
        _listener.Start();
        _running = AcceptAsync();
    }

    public string Endpoint => _listener.LocalEndpoint.ToString()!;

    public int Connections { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _running;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var pumps = new List<Task>();
        try
        {
            while (true)
            {
                TcpClient sender = await _listener.AcceptTcpClientAsync(_stop.Token);
                Connections++;
                pumps.Add(ServeAsync(sender));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            await Task.WhenAll(pumps);
        }
    }

    private async Task ServeAsync(TcpClient sender)
    {
        using TcpClient receiver = new();
        using (sender)
        {
            await receiver.ConnectAsync(IPEndPoint.Parse(_target));
            Task there = PumpAsync(sender, receiver, _onSenderBytes);
            Task back = PumpAsync(receiver, sender, (_, _) => ValueTask.FromResult(true));
            await Task.WhenAny(there, back);
        }
    }

    private async Task PumpAsync(TcpClient from, TcpClient to, Func<long, Memory<byte>, ValueTask<bool>> onBytes)
    {
        byte[] buffer = new byte[16384];
        long offset = 0;
        try
        {
            while (await from.GetStream().ReadAsync(buffer, _stop.Token) is > 0 and int read)
            {
                if (!await onBytes(offset, buffer.AsMemory(0, read)))
                {
                    return;
                }

                offset += read;
                await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // One end has gone: so goes the other.
        }
    }
}
