using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace ServingGrid.Client.Connections;

/// <summary>
/// What Orleans' connections go through at both ends before Orleans sees them: a place behind the port's door, the proof of the cluster's
/// secret, and a deadline for both and for Orleans' own greeting. Thread-safe.
/// </summary>
internal static class GridConnections
{
    // Orleans gives a connection that it opens five seconds.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    // Orleans': four bytes of length, and at most so many after them.
    private const int LengthBytes = 4;
    private const int MostGreetingBytes = 1024;

    /// <summary>Connections that others open.</summary>
    public static void Guard(IConnectionBuilder connections, ConnectionDoor door, string secret, TimeProvider time, RefusalLog refusals) =>
        connections.Use(next => async connection =>
        {
            using ConnectionDoor.ConnectionPlace? place = door.TryEnter(connection.Abort);
            if (place is null)
            {
                connection.Abort();
                return;
            }

            using var deadline = new CancellationTokenSource(Deadline, time);
            try
            {
                await ClusterHandshake.AsListenerAsync(connection.Transport, secret, deadline.Token);
                await AwaitGreetingAsync(connection.Transport.Input, deadline.Token);
            }
            catch (Exception failure)
            {
                if (!place.HasLeft)
                {
                    (string reason, string sentence) = failure is ClusterSecretException ? ("secret", failure.Message)
                        : deadline.IsCancellationRequested ? ("silent", $"it has not introduced itself within {Deadline.TotalSeconds:0} s")
                        : ("broken", failure.Message);
                    door.CountEnded(reason);
                    refusals.Tell(connection.RemoteEndPoint, sentence);
                }

                if (failure is ClusterSecretException)
                {
                    await CloseAsync(connection.Transport, deadline.Token);
                }

                connection.Abort();
                return;
            }

            place.BeginWork();
            await next(connection);
        });

    /// <summary>Connections that this process opens.</summary>
    /// <param name="connections">Of a silo or of a client.</param>
    /// <param name="secret">The cluster's.</param>
    /// <param name="time">Clock of the deadline.</param>
    /// <param name="proved">Told who has refused the secret or does not know it, in one sentence; null: both sides have proved it.</param>
    public static void Prove(IConnectionBuilder connections, string secret, TimeProvider time, Action<ClusterSecretException?> proved) =>
        connections.Use(next => async connection =>
        {
            using (var deadline = new CancellationTokenSource(Deadline, time))
            {
                try
                {
                    await ClusterHandshake.AsConnectorAsync(connection.Transport, secret, deadline.Token);
                    proved(null);
                }
                catch (Exception failure)
                {
                    connection.Abort();
                    if (failure is not ClusterSecretException)
                    {
                        throw;
                    }

                    string see = $"(see {ClusterSecret.Variable})";
                    var sentence = new ClusterSecretException(
                        $"The silo at {connection.RemoteEndPoint} cannot be connected to: {failure.Message} {see}");
                    proved(sentence);
                    throw sentence;
                }
            }

            await next(connection);
        });

    // What was written last says why the connection ends, and an abort would throw it away: the other side goes first, if it does so in
    // time.
    private static async Task CloseAsync(IDuplexPipe transport, CancellationToken cancellation)
    {
        try
        {
            await transport.Output.CompleteAsync();
            ReadResult read;
            do
            {
                read = await transport.Input.ReadAsync(cancellation);
                transport.Input.AdvanceTo(read.Buffer.End);
            }
            while (!read.IsCompleted);
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException)
        {
            // Too late, or the other side has aborted.
        }
    }

    // Leaves the bytes where they are: Orleans reads them, without a deadline.
    private static async Task AwaitGreetingAsync(PipeReader input, CancellationToken cancellation)
    {
        int wanted = LengthBytes;
        while (true)
        {
            ReadResult read = await input.ReadAtLeastAsync(wanted, cancellation);
            ReadOnlySequence<byte> bytes = read.Buffer;
            if (bytes.Length < wanted)
            {
                input.AdvanceTo(bytes.End);
                throw new IOException("the connection ended in the middle of its greeting");
            }

            int greeting = LengthBytes + ReadLength(bytes);
            if (greeting is <= LengthBytes or > LengthBytes + MostGreetingBytes)
            {
                input.AdvanceTo(bytes.End);
                throw new ClusterSecretException("it does not speak Orleans' protocol");
            }

            input.AdvanceTo(bytes.Start);
            if (bytes.Length >= greeting)
            {
                return;
            }

            wanted = greeting;
        }
    }

    private static int ReadLength(ReadOnlySequence<byte> bytes)
    {
        Span<byte> prefix = stackalloc byte[LengthBytes];
        bytes.Slice(0, LengthBytes).CopyTo(prefix);
        return BinaryPrimitives.ReadInt32LittleEndian(prefix);
    }
}

/// <summary>Tells the log of connections that were refused, at most one in a while: strangers come in crowds. Thread-safe.</summary>
internal sealed partial class RefusalLog(string port, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private long? _last;
    private int _untold;

    public void Tell(EndPoint? peer, string reason)
    {
        int untold;
        lock (_lock)
        {
            if (_last is { } last && time.GetElapsedTime(last) < Period)
            {
                _untold++;
                return;
            }

            _last = time.GetTimestamp();
            (untold, _untold) = (_untold, 0);
        }

        LogRefused(peer, port, reason, untold);
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The connection from {Peer} to the {Port} port was ended: {Reason} ({More} more since the last such line)")]
    private partial void LogRefused(EndPoint? peer, string port, string reason, int more);
}
