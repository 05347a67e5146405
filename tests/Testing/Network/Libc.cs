using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ServingGrid.Testing.Network;

/// <summary>The system calls of Linux behind TAP devices and network namespaces (tun(4), poll(2), setns(2)).</summary>
internal static partial class Libc
{
    public const int ReadWrite = 2;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;
    public const short Readable = 1;

    /// <summary>errno: nothing to read at the moment.</summary>
    public const int TryAgain = 11;

    /// <summary>errno: a signal came first.</summary>
    public const int Interrupted = 4;

    /// <summary>ioctl of /dev/net/tun: name the interface and say what it carries.</summary>
    public const nuint SetInterface = 0x400454ca;

    /// <summary>Ethernet frames (a TAP device), nothing in front of them.</summary>
    public const short TapWithoutHeader = 0x0002 | 0x1000;

    public const int NetworkNamespace = 0x40000000;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(SafeFileHandle file, nuint request, ref InterfaceRequest argument);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(SafeFileHandle file, Span<byte> buffer, nint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(SafeFileHandle file, ReadOnlySpan<byte> buffer, nint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(ref PollEntry entries, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    public static partial int EnterNamespace(SafeFileHandle file, int kind);

    /// <summary>struct ifreq: a name of at most 15 characters, then (of what may follow) flags.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 40)]
    public struct InterfaceRequest
    {
        public InterfaceName Name;
        public short Flags;
    }

    [System.Runtime.CompilerServices.InlineArray(Length)]
    public struct InterfaceName
    {
        public const int Length = 16;
        private byte _first;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollEntry
    {
        public int File;
        public short Wanted;
        public short Found;
    }
}
