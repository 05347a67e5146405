using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace ServingGrid.Model;

/// <summary>
/// Names of KV blocks by content: a block's hash covers the model, the arithmetic, the tenant and every token from the start of the
/// sequence to the block's end, so equal hashes mean equal KV, to the bit. Clients, routers and engines compute the same chain. Pure
/// functions, thread-safe.
/// </summary>
/// <remarks>
/// SHA-256, truncated to 128 bits: tenants share a cache, so a colliding prompt must not be constructible. The chain is
/// H(i) = SHA-256(H(i−1) ‖ tokens of block i as little-endian int32); only full blocks have a hash.
/// </remarks>
public static class BlockHasher
{
    private static ReadOnlySpan<byte> Domain => "servinggrid-kv-2\0"u8;

    /// <summary>The parent of a sequence's first block.</summary>
    /// <param name="modelFingerprint">Equal model files, equal fingerprints.</param>
    /// <param name="numerics">Class of arithmetic of the engine that computes the block: another would have computed other bits.</param>
    /// <param name="salt">Separates tenants; null shares the common cache and differs from the empty string.</param>
    public static UInt128 Root(string modelFingerprint, string numerics, string? salt)
    {
        ArgumentNullException.ThrowIfNull(modelFingerprint);
        ArgumentNullException.ThrowIfNull(numerics);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Domain);
        AppendText(hash, modelFingerprint);
        AppendText(hash, numerics);
        hash.AppendData([salt is null ? (byte)0 : (byte)1]);
        AppendText(hash, salt ?? "");
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        hash.GetHashAndReset(digest);
        return BinaryPrimitives.ReadUInt128LittleEndian(digest);
    }

    /// <summary>The hash of a full block after <paramref name="parent"/>.</summary>
    public static UInt128 Next(UInt128 parent, ReadOnlySpan<int> tokens)
    {
        const int ParentBytes = 16;
        int length = ParentBytes + (tokens.Length * sizeof(int));
        Span<byte> text = length <= 2048 ? stackalloc byte[length] : new byte[length];
        BinaryPrimitives.WriteUInt128LittleEndian(text, parent);
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(tokens).CopyTo(text[ParentBytes..]);
        }
        else
        {
            BinaryPrimitives.ReverseEndianness(tokens, MemoryMarshal.Cast<byte, int>(text[ParentBytes..]));
        }

        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, digest);
        return BinaryPrimitives.ReadUInt128LittleEndian(digest);
    }

    /// <summary>Hashes of all full blocks of <paramref name="tokens"/>, in order; a trailing partial block has none.</summary>
    public static UInt128[] Chain(UInt128 root, ReadOnlySpan<int> tokens, int blockSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blockSize);
        UInt128[] hashes = new UInt128[tokens.Length / blockSize];
        UInt128 parent = root;
        for (int i = 0; i < hashes.Length; i++)
        {
            hashes[i] = parent = Next(parent, tokens.Slice(i * blockSize, blockSize));
        }

        return hashes;
    }

    private static void AppendText(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }
}
