using System.Runtime.InteropServices;
using Iced.Intel;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>Machine code in pages of its own: written while they are writable, then executable and no longer writable.</summary>
/// <remarks>64-bit Unix. The pages live as long as this object, which every caller of the code must keep alive.</remarks>
internal sealed unsafe partial class CodeMemory : SafeHandle
{
    private const int ProtectRead = 1;
    private const int ProtectWrite = 2;
    private const int ProtectExecute = 4;
    private const int MapPrivate = 2;
    private readonly nuint _length;

    private CodeMemory(nint address, nuint length) : base(-1, true)
    {
        SetHandle(address);
        _length = length;
    }

    public override bool IsInvalid => handle == -1;

    /// <summary>Address of the first instruction.</summary>
    public nint Entry => handle;

    /// <summary>Assembles the instructions into new pages.</summary>
    /// <exception cref="DeviceException">The system refuses executable memory (some hardened systems do).</exception>
    public static CodeMemory Create(Assembler code)
    {
        using var bytes = new MemoryStream();
        code.Assemble(new StreamCodeWriter(bytes), 0);
        byte[] image = bytes.ToArray();
        nuint length = ((nuint)image.Length + 4095) & ~(nuint)4095;
        nint address = Map(0, length, ProtectRead | ProtectWrite, MapPrivate | (OperatingSystem.IsLinux() ? 0x20 : 0x1000), -1, 0);
        var memory = new CodeMemory(address, length);
        if (memory.IsInvalid)
        {
            throw new DeviceException($"the system gives no memory for generated code (error {Marshal.GetLastPInvokeError()})");
        }

        image.CopyTo(new Span<byte>((void*)address, image.Length));
        if (Protect(address, length, ProtectRead | ProtectExecute) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            memory.Dispose();
            throw new DeviceException($"the system does not allow generated code (error {error}): set {CpuDeviceOptions.NoJitVariable}=1 to do without");
        }

        return memory;
    }

    protected override bool ReleaseHandle() => Unmap(handle, _length) == 0;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
