using System.Diagnostics;

namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>
/// Makes the memory of a buffer present ahead of its use, from its start onwards. Linux gives a page when it is touched first and clears it then: 2 MB are
/// cleared within a millisecond at best, and take several where a hypervisor has to find them first. A step should not wait for that.
/// </summary>
/// <remarks>
/// The work is that of a thread which sleeps when it is done. It writes nothing, so that others may use the memory meanwhile. Its priority is the usual one: in
/// the system call it holds the lock of the process's address space, for which a collection that grows the heap waits, and everyone with it. At the lowest
/// priority, beside threads that kept the cores busy, streams stood still for 400 to 1000 ms. So it rests between pieces instead, for the others on its
/// core: without, tokens waited for up to 85 ms behind it. Where the system cannot do it (before Linux 5.14) the thread ends,
/// and pages come as they are touched. <see cref="Expect"/> from one thread at a time.
/// </remarks>
internal sealed class MemoryPreparation(NativeBuffer buffer) : IDisposable
{
    private const long Piece = 2 << 20;

    // Times as long as a piece took: the system call gives its core away late, or not at all.
    private const int Rest = 3;

    private readonly AutoResetEvent _wake = new(initialState: false);
    private readonly ManualResetEvent _stop = new(initialState: false);
    private Thread? _thread;
    private long _expected;
    private long _prepared;

    /// <summary>Bytes from the start that are known to be present. Any thread.</summary>
    public long Prepared => Volatile.Read(ref _prepared);

    /// <summary>The first <paramref name="bytes"/> will be used soon. Returns at once; allocates only in its first call.</summary>
    public void Expect(long bytes)
    {
        if (bytes <= _expected || !OperatingSystem.IsLinux())
        {
            return;
        }

        Volatile.Write(ref _expected, bytes);
        if (_thread is null)
        {
            _thread = new Thread(Work) { IsBackground = true, Name = "memory-ahead" };
            _thread.Start();
        }

        _wake.Set();
    }

    /// <summary>Waits for the piece in progress, if there is one. The buffer stays.</summary>
    public void Dispose()
    {
        _stop.Set();
        _wake.Set();
        _thread?.Join();
        _stop.Dispose();
        _wake.Dispose();
    }

    private void Work()
    {
        while (!_stop.WaitOne(0))
        {
            if (Prepared >= Volatile.Read(ref _expected))
            {
                _wake.WaitOne();
                continue;
            }

            long bytes = Math.Min(Piece, buffer.Length - Prepared);
            long start = Stopwatch.GetTimestamp();
            if (!buffer.TryPopulate(Prepared, bytes))
            {
                return;
            }

            Volatile.Write(ref _prepared, Prepared + bytes);
            _stop.WaitOne(Rest * Stopwatch.GetElapsedTime(start));
        }
    }
}
