using System.Net.Sockets;

namespace ServingGrid.EndToEnd.Tests.Strangers;

/// <summary>Connections that say little or nothing, until disposed.</summary>
internal sealed class Crowd : IDisposable
{
    private readonly List<Socket> _sockets = [];

    /// <summary>
    /// Opens so many connections to a port of this machine; each sends one of <paramref name="openings"/> in turn, and then nothing.
    /// </summary>
    /// <param name="port">The port.</param>
    /// <param name="count">How many.</param>
    /// <param name="openings">What they begin with.</param>
    public static async Task<Crowd> GatherAsync(int port, int count, params byte[][] openings)
    {
        var crowd = new Crowd();
        try
        {
            for (int i = 0; i < count; i++)
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                crowd._sockets.Add(socket);
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
                await socket.ConnectAsync("127.0.0.1", port, patience.Token);
                await crowd.OpenAsync(socket, openings[i % openings.Length], patience.Token);
            }

            return crowd;
        }
        catch
        {
            crowd.Dispose();
            throw;
        }
    }

    public void Dispose() => _sockets.ForEach(socket => socket.Dispose());

    private async Task OpenAsync(Socket socket, byte[] opening, CancellationToken cancellation)
    {
        try
        {
            await socket.SendAsync(opening, cancellation);
        }
        catch (SocketException)
        {
            // It had to make room already.
        }
    }
}
