namespace ServingGrid.Grains.Transfer;

/// <summary>Why a transfer did not finish.</summary>
public enum KvTransferFailure
{
    /// <summary>The peer could not be reached, or the connection broke.</summary>
    Connection,

    /// <summary>The peer took too long.</summary>
    Stalled,

    /// <summary>One side does not know the cluster secret.</summary>
    Unauthenticated,

    /// <summary>The receiver refused the blocks: see the message.</summary>
    Refused,

    /// <summary>The blocks left the sender's cache before they were sent.</summary>
    SourceGone,
}

/// <summary>Blocks did not reach their reservation. The owner of the reservation tries another prefill, or computes the prompt itself.</summary>
public sealed class KvTransferException(KvTransferFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    public KvTransferFailure Failure { get; } = failure;
}
