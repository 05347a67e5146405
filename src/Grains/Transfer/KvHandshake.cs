using System.Security.Cryptography;
using System.Text;

namespace ServingGrid.Grains.Transfer;

/// <summary>
/// Both ends prove that they know the cluster secret before a single block travels, and neither learns it:
/// <code>
///   receiver → sender   nonce R
///   sender → receiver   nonce S, HMAC(secret, "sender"   ‖ R ‖ S)
///   receiver → sender            HMAC(secret, "receiver" ‖ R ‖ S)
/// </code>
/// Fresh nonces from both sides make a recorded exchange useless. The first message begins with the protocol's version, so that
/// another version is refused with a reason rather than misread.
/// </summary>
internal static class KvHandshake
{
    private const int NonceBytes = 32;
    private const int ProofBytes = 32;

    private static ReadOnlySpan<byte> Version => "ServingGrid KV 1"u8;

    /// <exception cref="KvTransferException">The peer speaks something else, or does not know the secret.</exception>
    public static async Task AsReceiverAsync(Stream stream, string secret, CancellationToken cancellation)
    {
        byte[] hello = new byte[Version.Length + NonceBytes];
        Version.CopyTo(hello);
        RandomNumberGenerator.Fill(hello.AsSpan(Version.Length));
        await stream.WriteAsync(hello, cancellation);

        byte[] answer = new byte[NonceBytes + ProofBytes];
        await stream.ReadExactlyAsync(answer, cancellation);
        byte[] nonces = [.. hello.AsSpan(Version.Length), .. answer.AsSpan(0, NonceBytes)];
        if (!CryptographicOperations.FixedTimeEquals(Proof(secret, "sender", nonces), answer.AsSpan(NonceBytes)))
        {
            throw new KvTransferException(KvTransferFailure.Unauthenticated, "the peer does not know the cluster secret");
        }

        await stream.WriteAsync(Proof(secret, "receiver", nonces), cancellation);
    }

    /// <inheritdoc cref="AsReceiverAsync"/>
    public static async Task AsSenderAsync(Stream stream, string secret, CancellationToken cancellation)
    {
        byte[] hello = new byte[Version.Length + NonceBytes];
        await stream.ReadExactlyAsync(hello, cancellation);
        if (!hello.AsSpan(0, Version.Length).SequenceEqual(Version))
        {
            throw new KvTransferException(KvTransferFailure.Unauthenticated, "the peer does not speak this version of the KV transfer protocol");
        }

        byte[] nonce = RandomNumberGenerator.GetBytes(NonceBytes);
        byte[] nonces = [.. hello.AsSpan(Version.Length), .. nonce];
        await stream.WriteAsync((byte[])[.. nonce, .. Proof(secret, "sender", nonces)], cancellation);

        byte[] proof = new byte[ProofBytes];
        try
        {
            await stream.ReadExactlyAsync(proof, cancellation);
        }
        catch (EndOfStreamException exception)
        {
            // What a receiver does that does not accept our proof.
            throw new KvTransferException(KvTransferFailure.Unauthenticated, "the peer refused the cluster secret", exception);
        }

        if (!CryptographicOperations.FixedTimeEquals(Proof(secret, "receiver", nonces), proof))
        {
            throw new KvTransferException(KvTransferFailure.Unauthenticated, "the peer does not know the cluster secret");
        }
    }

    private static byte[] Proof(string secret, string side, byte[] nonces) =>
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), (byte[])[.. Encoding.UTF8.GetBytes(side), .. nonces]);
}
