using System.Net;
using System.Net.Sockets;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Gateway.Hosting;

/// <summary>Looks whether addresses can be listened on before the weights of a large model are loaded for nothing.</summary>
internal static class ListenAddresses
{
    /// <param name="urls">As <see cref="GatewayOptions.Validate"/> has accepted them.</param>
    /// <exception cref="StartupException">An address is in use, or this machine does not have it.</exception>
    public static void Check(IEnumerable<string> urls)
    {
        foreach (string url in urls)
        {
            var uri = new Uri(url);
            try
            {
                using var probe = new TcpListener(uri.Host == "localhost" ? IPAddress.Loopback : IPAddress.Parse(uri.Host.Trim('[', ']')), uri.Port);
                probe.Start();
            }
            catch (SocketException failure)
            {
                throw new StartupException($"{url} cannot be listened on: {failure.Message}.", failure);
            }
        }
    }
}
