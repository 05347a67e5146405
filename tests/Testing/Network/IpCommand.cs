using System.ComponentModel;
using System.Diagnostics;

namespace ServingGrid.Testing.Network;

/// <summary>Runs ip(8), Debian package iproute2.</summary>
internal static class IpCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <exception cref="IOException">There is no such program, or it has failed: <see cref="Exception.Message"/> says why.</exception>
    public static async Task RunAsync(params string[] arguments)
    {
        using var process = new Process { StartInfo = new ProcessStartInfo("ip", arguments) { RedirectStandardError = true } };
        try
        {
            process.Start();
        }
        catch (Win32Exception exception)
        {
            throw new IOException($"ip (Debian package iproute2) cannot be run: {exception.Message}", exception);
        }

        using var deadline = new CancellationTokenSource(Patience);
        try
        {
            string error = await process.StandardError.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            if (process.ExitCode != 0)
            {
                throw new IOException($"ip {string.Join(' ', arguments)}: {error.Trim()}");
            }
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new IOException($"ip {string.Join(' ', arguments)} did not end within {Patience.TotalSeconds} s");
        }
    }
}
