using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;

namespace ServingGrid.Client.Connections;

/// <summary>
/// What goes before Orleans' first byte on every connection of a grid: both ends prove that they know the cluster's secret, and neither
/// learns it.
/// <code>
///   listener  → connector   version, nonce R
///   connector → listener    nonce S, HMAC(secret, "connector" ‖ R ‖ S)
///   listener  → connector   1, HMAC(secret, "listener" ‖ R ‖ S); or 0 and the end
/// </code>
/// Fresh nonces from both sides make a recorded exchange useless. It authenticates the beginning of a connection; it does not encrypt.
/// Without a secret the exchange is the same with an empty one, and keeps out what is not of a grid at all.
/// </summary>
internal static class ClusterHandshake
{
    private const int NonceBytes = 32;
    private const int ProofBytes = 32;
    private const byte Accepted = 1;

    private static ReadOnlySpan<byte> Version => "ServingGrid orleans 1"u8;

    /// <summary>The listener's side.</summary>
    /// <exception cref="ClusterSecretException">The other side speaks something else, or does not know the secret.</exception>
    public static async Task AsListenerAsync(IDuplexPipe transport, string secret, CancellationToken cancellation)
    {
        byte[] hello = [.. Version, .. RandomNumberGenerator.GetBytes(NonceBytes)];
        await transport.Output.WriteAsync(hello, cancellation);

        byte[] answer = await ReadAsync(transport.Input, NonceBytes + ProofBytes, exactly: true, cancellation);
        byte[] nonces = [.. hello.AsSpan(Version.Length), .. answer.AsSpan(0, NonceBytes)];
        if (!CryptographicOperations.FixedTimeEquals(Proof(secret, "connector", nonces), answer.AsSpan(NonceBytes)))
        {
            await transport.Output.WriteAsync(new byte[1], cancellation);
            throw new ClusterSecretException("it does not know the cluster's secret");
        }

        await transport.Output.WriteAsync((byte[])[Accepted, .. Proof(secret, "listener", nonces)], cancellation);
    }

    /// <summary>The connector's side.</summary>
    /// <exception cref="ClusterSecretException">The other side speaks something else, or does not know the secret, or refuses
    /// ours.</exception>
    public static async Task AsConnectorAsync(IDuplexPipe transport, string secret, CancellationToken cancellation)
    {
        byte[] hello = await ReadAsync(transport.Input, Version.Length + NonceBytes, exactly: true, cancellation);
        if (!hello.AsSpan(0, Version.Length).SequenceEqual(Version))
        {
            throw new ClusterSecretException("it does not speak this version of the grid's protocol");
        }

        byte[] nonce = RandomNumberGenerator.GetBytes(NonceBytes);
        byte[] nonces = [.. hello.AsSpan(Version.Length), .. nonce];
        await transport.Output.WriteAsync((byte[])[.. nonce, .. Proof(secret, "connector", nonces)], cancellation);

        byte[] verdict = await ReadAsync(transport.Input, 1, exactly: false, cancellation);
        if (verdict[0] != Accepted)
        {
            throw new ClusterSecretException("it has another cluster secret");
        }

        // Orleans' first bytes may follow at once.
        byte[] proof = await ReadAsync(transport.Input, ProofBytes, exactly: false, cancellation);
        if (!CryptographicOperations.FixedTimeEquals(Proof(secret, "listener", nonces), proof))
        {
            throw new ClusterSecretException("it does not know the cluster's secret");
        }
    }

    // What is sent before it was asked for is not buffered without end: nobody of ours does so.
    private static async Task<byte[]> ReadAsync(PipeReader input, int count, bool exactly, CancellationToken cancellation)
    {
        ReadResult read = await input.ReadAtLeastAsync(count, cancellation);
        if (read.Buffer.Length < count)
        {
            input.AdvanceTo(read.Buffer.End);
            throw new IOException("the connection ended before both sides had proved themselves");
        }

        if (exactly && read.Buffer.Length > count)
        {
            input.AdvanceTo(read.Buffer.End);
            throw new ClusterSecretException("it does not speak this version of the grid's protocol");
        }

        byte[] bytes = read.Buffer.Slice(0, count).ToArray();
        input.AdvanceTo(read.Buffer.GetPosition(count));
        return bytes;
    }

    private static byte[] Proof(string secret, string side, byte[] nonces) =>
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), (byte[])[.. Encoding.UTF8.GetBytes(side), .. nonces]);
}

/// <summary>The other end of a connection is not of this grid, or takes this end for one that is not.</summary>
public sealed class ClusterSecretException(string message) : Exception(message);
