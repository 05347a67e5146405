using System.Collections.Concurrent;
using ServingGrid.Engine.Disaggregation;

namespace ServingGrid.Grains.Transfer;

/// <summary>
/// The reservations of this silo that expect blocks from elsewhere. A request enters its reservation before it orders the prefill and removes
/// it when that has ended; what arrives outside that time finds no reservation. Thread-safe.
/// </summary>
public sealed class ReservationTable
{
    private readonly ConcurrentDictionary<long, Reservation> _open = new();

    /// <summary>Lets blocks in until the result is disposed.</summary>
    public IDisposable Open(Reservation reservation)
    {
        if (!_open.TryAdd(reservation.Id, reservation))
        {
            throw new InvalidOperationException($"Reservation {reservation.Id} is open already.");
        }

        return new Entry(this, reservation);
    }

    /// <summary>Writes what has arrived into its reservation, if that is open.</summary>
    internal FrameOutcome Write(in KvFrame frame, ReadOnlySpan<byte> payload)
    {
        if (!_open.TryGetValue(frame.Reservation, out Reservation? reservation))
        {
            return FrameOutcome.NoReservation;
        }

        return reservation.Write(frame.Epoch, frame.FirstBlock, frame.FirstLayer, frame.Layers, payload) switch
        {
            WriteOutcome.Written => FrameOutcome.Written,
            WriteOutcome.Duplicate => FrameOutcome.Duplicate,
            WriteOutcome.StaleEpoch => FrameOutcome.StaleEpoch,
            WriteOutcome.Closed => FrameOutcome.NoReservation,
            _ => FrameOutcome.Invalid,
        };
    }

    private sealed class Entry(ReservationTable table, Reservation reservation) : IDisposable
    {
        public void Dispose() => table._open.TryRemove(KeyValuePair.Create(reservation.Id, reservation));
    }
}
