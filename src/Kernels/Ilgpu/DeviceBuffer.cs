using ILGPU;
using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>Device memory that the runtime counts.</summary>
/// <param name="buffer">The memory.</param>
/// <param name="free">Frees it; called once at the most.</param>
internal sealed class DeviceBuffer<T>(MemoryBuffer1D<T, Stride1D.Dense> buffer, Action free) : IDisposable
    where T : unmanaged
{
    public ArrayView<T> View { get; } = buffer.View.BaseView;

    public long Length => View.Length;

    /// <summary>Reads and writes the same memory as elements of another size.</summary>
    public ArrayView<TOther> As<TOther>()
        where TOther : unmanaged => View.Cast<TOther>();

    public void Dispose()
    {
        if (!buffer.IsDisposed)
        {
            free();
        }
    }
}
