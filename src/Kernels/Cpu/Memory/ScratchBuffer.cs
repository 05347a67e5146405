namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>Working memory that grows to the largest size asked for and is then reused: no allocation in steady state.</summary>
internal sealed unsafe class ScratchBuffer : IDisposable
{
    private NativeBuffer? _buffer;

    /// <summary>Memory of at least that many bytes, with undefined content; what earlier calls returned is invalid.</summary>
    public byte* Reserve(long bytes)
    {
        if (_buffer is null || _buffer.Length < bytes)
        {
            long grown = Math.Max(bytes, _buffer is null ? 4096 : _buffer.Length + _buffer.Length / 2);
            _buffer?.Dispose();
            _buffer = null;
            _buffer = new NativeBuffer(grown);
        }

        return _buffer.Pointer;
    }

    public void Dispose() => _buffer?.Dispose();
}
