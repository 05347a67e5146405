using System.Runtime.InteropServices;

namespace ServingGrid.Grains.Hosting;

/// <summary>
/// The first SIGTERM or Ctrl-C begins an orderly stop, which may take as long as draining does. The second one means "now": the
/// process ends without another word to anyone, as after a crash, and the grid goes on elsewhere.
/// </summary>
public sealed class SecondSignal : IDisposable
{
    /// <summary>Exit code of a stop that was cut short.</summary>
    public const int ExitCode = 2;

    private readonly PosixSignalRegistration[] _registrations;
    private int _received;

    /// <summary>Counts signals from now on, until disposed.</summary>
    public SecondSignal() =>
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGTERM, Count), PosixSignalRegistration.Create(PosixSignal.SIGINT, Count)];

    public void Dispose() => Array.ForEach(_registrations, registration => registration.Dispose());

    private void Count(PosixSignalContext context)
    {
        if (Interlocked.Increment(ref _received) > 1)
        {
            Console.Error.WriteLine($"{context.Signal} for the second time: ended without waiting.");
            Environment.Exit(ExitCode);
        }
    }
}
