using System.Net.Sockets;

namespace ServingGrid.Grains.Transfer;

/// <summary>What both ends of a KV connection ask of their socket.</summary>
internal static class KvSocket
{
    private const int IdleSeconds = 30;
    private const int ProbeSeconds = 10;
    private const int Probes = 3;

    /// <summary>
    /// Acknowledgements go out at once. Idle connections are kept for the next transfer, so the system asks after a silent peer: a machine that
    /// lost its power says no goodbye, and its connections would take up places for ever.
    /// </summary>
    public static void Configure(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, IdleSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, ProbeSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Probes);
    }
}
