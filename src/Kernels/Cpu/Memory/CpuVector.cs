namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>F32 constants in native memory.</summary>
internal sealed unsafe class CpuVector : Vector
{
    private readonly NativeBuffer _buffer;

    public CpuVector(ReadOnlySpan<float> values) : base(values.Length)
    {
        _buffer = new NativeBuffer((long)values.Length * sizeof(float));
        values.CopyTo(_buffer.Floats);
    }

    public float* Data => (float*)_buffer.Pointer;

    public override void Dispose() => _buffer.Dispose();
}
