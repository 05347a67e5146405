using ServingGrid.Engine.Disaggregation;

namespace ServingGrid.Grains.Transfer;

/// <summary>Where blocks go: a reservation of an engine on some silo.</summary>
/// <param name="Endpoint">Address of the silo's <see cref="KvReceiver"/>, "host:port".</param>
/// <param name="Reservation"><see cref="Reservation.Id"/></param>
/// <param name="Epoch">The attempt that may write.</param>
[GenerateSerializer, Immutable]
public sealed record KvTarget([property: Id(0)] string Endpoint, [property: Id(1)] long Reservation, [property: Id(2)] int Epoch);

/// <summary>
/// Moves finished blocks from a prefill device to the reservation that waits for them. Two halves: the sender gathers and sends
/// (<see cref="SendAsync"/>), the receiver checks and writes (<see cref="KvReceiver"/>). The reservation's owner alone frees its
/// blocks; the sender's blocks stay pinned until its prefill handle is released. Thread-safe.
/// </summary>
public interface IKvTransport
{
    /// <summary>
    /// Sends blocks, and returns when they are in the reservation. Several calls may be in progress at a time; memory is bounded by the
    /// frames in flight, and a call waits for its turn.
    /// </summary>
    /// <param name="target">Where to.</param>
    /// <param name="source">The prefill that computed them.</param>
    /// <param name="firstBlock">Index in the sequence's block table.</param>
    /// <param name="count">Number of blocks.</param>
    /// <param name="cancellation">Gives up; frames on their way may still be written.</param>
    /// <exception cref="KvTransferException">The blocks are not all in the reservation.</exception>
    Task SendAsync(KvTarget target, PrefillHandle source, int firstBlock, int count, CancellationToken cancellation);
}
