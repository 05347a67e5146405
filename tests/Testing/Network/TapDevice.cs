using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ServingGrid.Testing.Network;

/// <summary>
/// A network interface whose cable is this process: it reads the Ethernet frames that the kernel sends out, and writes those that the kernel
/// receives. The interface may move to another network namespace, and ends when this is disposed or the process dies. One reader and one writer.
/// </summary>
public sealed class TapDevice : IDisposable
{
    /// <summary>Room for a frame: the device offers the kernel no offloads, so that none is larger than the usual MTU and its header.</summary>
    public const int MaxFrameBytes = 1518;

    private const string Device = "/dev/net/tun";

    private readonly SafeFileHandle _file;

    private TapDevice(SafeFileHandle file) => _file = file;

    /// <summary>Makes the interface <paramref name="name"/>, down as yet.</summary>
    /// <exception cref="IOException">That is not possible here: <see cref="Exception.Message"/> says why.</exception>
    public static TapDevice Create(string name)
    {
        SafeFileHandle file = Libc.Open(Device, Libc.ReadWrite | Libc.NonBlocking | Libc.CloseOnExec);
        if (file.IsInvalid)
        {
            throw new IOException($"{Device} cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        var request = new Libc.InterfaceRequest { Flags = Libc.TapWithoutHeader };
        Span<byte> room = request.Name;
        Encoding.ASCII.GetBytes(name, room[..^1]);
        if (Libc.Control(file, Libc.SetInterface, ref request) < 0)
        {
            string reason = Marshal.GetLastPInvokeErrorMessage();
            file.Dispose();
            throw new IOException($"the TAP device {name} cannot be made: {reason}");
        }

        return new TapDevice(file);
    }

    /// <summary>Waits until there is a frame to read. False after <paramref name="patience"/>, in whole milliseconds, rounded up.</summary>
    public bool Wait(TimeSpan patience)
    {
        var entry = new Libc.PollEntry { File = (int)_file.DangerousGetHandle(), Wanted = Libc.Readable };
        int ready = Libc.Poll(ref entry, 1, (int)Math.Ceiling(patience.TotalMilliseconds));
        return ready >= 0 || Marshal.GetLastPInvokeError() == Libc.Interrupted ? ready > 0 : throw Failure("waited for");
    }

    /// <summary>Reads a frame that the kernel sends: its length, or 0 when there is none at the moment.</summary>
    public int Read(Span<byte> frame)
    {
        nint count = Libc.Read(_file, frame, frame.Length);
        return count >= 0 ? (int)count : Marshal.GetLastPInvokeError() is Libc.TryAgain or Libc.Interrupted ? 0 : throw Failure("read");
    }

    /// <summary>Has the kernel receive a frame.</summary>
    public void Write(ReadOnlySpan<byte> frame)
    {
        if (Libc.Write(_file, frame, frame.Length) != frame.Length)
        {
            throw Failure("written");
        }
    }

    public void Dispose() => _file.Dispose();

    private static IOException Failure(string what) => new($"a frame could not be {what}: {Marshal.GetLastPInvokeErrorMessage()}");
}
