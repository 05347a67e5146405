using System.Runtime.InteropServices;

namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>
/// Zeroed memory outside the garbage collector's heap, aligned to a cache line. Large buffers ask Linux for huge pages: reading
/// weights is bound by memory, and 4 KB pages cost a translation for every page read.
/// </summary>
/// <remarks>A page takes no memory before it is touched. Not thread-safe; the content may be used from any thread.</remarks>
internal sealed unsafe partial class NativeBuffer : IDisposable
{
    private const nuint HugePage = 2 << 20;
    private const int AdviseHugePage = 14;
    private const int AdvisePopulateWrite = 23;
    private void* _allocation;

    public NativeBuffer(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Length = bytes;
        bool huge = (nuint)bytes >= 2 * HugePage && OperatingSystem.IsLinux();
        nuint alignment = huge ? HugePage : 64;
        nuint size = ((nuint)Math.Max(bytes, 1) + 63) & ~(nuint)63;
        try
        {
            // calloc takes large blocks straight from mmap: zero already, and untouched pages stay free.
            _allocation = NativeMemory.AllocZeroed(size + alignment);
        }
        catch (OutOfMemoryException e)
        {
            throw new DeviceException($"out of memory: cannot allocate {bytes} bytes", e);
        }

        GC.AddMemoryPressure(Math.Max(bytes, 1));
        Pointer = (byte*)(((nuint)_allocation + alignment - 1) & ~(alignment - 1));
        if (huge)
        {
            // Advice only: what it returns changes nothing.
            _ = Advise(Pointer, size, AdviseHugePage);
        }
    }

    ~NativeBuffer() => Free();

    public byte* Pointer { get; private set; }

    public long Length { get; }

    public Span<float> Floats => new(Pointer, checked((int)(Length / sizeof(float))));

    /// <summary>
    /// Gives the pages of a part their memory, as a first write would, without a change of what they hold: others may read and write them meanwhile.
    /// False where the system cannot (madvise(2): MADV_POPULATE_WRITE, since Linux 5.14).
    /// </summary>
    public bool TryPopulate(long offset, long bytes)
    {
        // Whole pages that the part touches: those at the ends are the process's own as well.
        nuint page = (nuint)Environment.SystemPageSize;
        nuint first = (nuint)(Pointer + offset) & ~(page - 1);
        nuint end = ((nuint)(Pointer + offset + bytes) + page - 1) & ~(page - 1);
        return OperatingSystem.IsLinux() && Advise((void*)first, end - first, AdvisePopulateWrite) == 0;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_allocation != null)
        {
            NativeMemory.Free(_allocation);
            _allocation = null;
            Pointer = null;
            GC.RemoveMemoryPressure(Math.Max(Length, 1));
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
