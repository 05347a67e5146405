using System.Net;

namespace ServingGrid.Grains.Transfer;

/// <summary>How KV blocks travel between silos. See <see cref="Validate"/> for the ranges.</summary>
public sealed record KvTransferOptions
{
    /// <summary>Fewest characters of a secret that protects more than one machine.</summary>
    public const int MinSecretLength = 16;

    /// <summary>Where this silo listens; port 0 takes a free one.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 0);

    /// <summary>
    /// Shared by all silos of a cluster; both ends of a connection prove that they know it. May be empty only on the loopback
    /// interface.
    /// </summary>
    public string ClusterSecret { get; init; } = "";

    /// <summary>Most payload bytes of a frame; a peer that announces more is cut off.</summary>
    public int MaxFrameBytes { get; init; } = 1 << 20;

    /// <summary>Frames sent to one peer and not acknowledged yet: with <see cref="MaxFrameBytes"/>, the memory that a peer costs.</summary>
    public int FramesInFlight { get; init; } = 8;

    /// <summary>Connections of peers that have proved the secret, at a time; each holds one frame.</summary>
    public int MaxConnections { get; init; } = 256;

    /// <summary>Connections that have proved nothing yet, at a time; one more ends the oldest of them.</summary>
    public int MaxStrangers { get; init; } = 64;

    /// <summary>Time to connect and to prove the secret.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Longest wait for an acknowledgement: the connection is given up then, and with it the transfers on it.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A frame that arrives corrupt is sent again this often.</summary>
    public int MaxResends { get; init; } = 3;

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public void Validate()
    {
        Check(ClusterSecret.Length >= MinSecretLength || (ClusterSecret.Length == 0 && IPAddress.IsLoopback(Listen.Address)),
            $"KV transfer on {Listen.Address} needs a cluster secret of at least {MinSecretLength} characters.");
        Check(MaxFrameBytes is >= 4096 and <= 64 << 20, $"Frames must have 4096 … {64 << 20} bytes, not {MaxFrameBytes}.");
        Check(FramesInFlight is >= 1 and <= 1024, $"Frames in flight must be 1 … 1024, not {FramesInFlight}.");
        Check(MaxConnections is >= 1 and <= 65536, $"Connections must be 1 … 65536, not {MaxConnections}.");
        Check(MaxStrangers is >= 1 and <= 65536, $"Unproven connections must be 1 … 65536, not {MaxStrangers}.");
        Check(ConnectTimeout > TimeSpan.Zero && StallTimeout > TimeSpan.Zero, "Time-outs of the KV transfer must be positive.");
        Check(MaxResends is >= 0 and <= 100, $"Resends must be 0 … 100, not {MaxResends}.");

        static void Check(bool holds, string sentence)
        {
            if (!holds)
            {
                throw new ArgumentException(sentence);
            }
        }
    }
}
