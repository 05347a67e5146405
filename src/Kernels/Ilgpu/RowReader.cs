using System.Runtime.InteropServices;
using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// Brings rows of tensors to the host: those that were announced (<see cref="Device.ExpectReads"/>) together, through one page-locked buffer that is kept, so that a
/// step waits once for all of them and allocates nothing. Used by the engine's thread alone.
/// </summary>
/// <param name="runtime">The device.</param>
/// <param name="wait">Waits for the compute stream.</param>
/// <param name="mostFloats">Most numbers that are brought over at once; one row at least.</param>
internal sealed class RowReader(IlgpuRuntime runtime, Action wait, long mostFloats = 16 << 20) : IDisposable
{
    private readonly List<int> _expected = [];
    private PageLockedArray1D<float>? _host;
    private IlgpuTensor? _tensor;

    // Which of the expected rows are here.
    private int _first;
    private int _count;

    /// <summary>The rows that <see cref="Read"/> will be asked for next.</summary>
    public void Expect(IlgpuTensor tensor, ReadOnlySpan<int> rows)
    {
        Forget();
        _tensor = tensor;
        _expected.AddRange(rows);
    }

    /// <summary>Some tensor is about to change.</summary>
    public void Forget()
    {
        _tensor = null;
        _expected.Clear();
        _count = 0;
    }

    /// <summary>See <see cref="Device.Read"/>.</summary>
    public void Read(IlgpuTensor tensor, int firstRow, int rows, Span<float> destination)
    {
        for (int r = 0; r < rows; r++)
        {
            int index = ReferenceEquals(tensor, _tensor) ? _expected.IndexOf(firstRow + r) : -1;
            if (index < 0)
            {
                Expect(tensor, []);
                for (int row = firstRow + r; row < firstRow + rows; row++)
                {
                    _expected.Add(row);
                }

                index = 0;
            }

            if (index < _first || index >= _first + _count)
            {
                Fetch(tensor, index);
            }

            _host!.Span.Slice((index - _first) * tensor.Stride, tensor.Columns).CopyTo(destination[(r * tensor.Columns)..]);
        }
    }

    public void Dispose() => runtime.Free(_host);

    /// <summary>As many rows from one of the expected on as fit; neighbours in one copy.</summary>
    private void Fetch(IlgpuTensor tensor, int first)
    {
        int count = (int)Math.Clamp(mostFloats / tensor.Stride, 1, _expected.Count - first);
        Reserve((long)count * tensor.Stride);
        ReadOnlySpan<int> rows = CollectionsMarshal.AsSpan(_expected).Slice(first, count);
        for (int i = 0, run; i < count; i += run)
        {
            run = 1;
            while (i + run < count && rows[i + run] == rows[i] + run)
            {
                run++;
            }

            runtime.DownloadAsync(runtime.Compute, tensor.Floats.SubView((long)rows[i] * tensor.Stride, (long)run * tensor.Stride), ref _host!.GetArray()[i * tensor.Stride]);
        }

        wait();
        (_first, _count) = (first, count);
    }

    private void Reserve(long floats)
    {
        if (_host is null || _host.Length < floats)
        {
            runtime.Free(_host);
            _host = null;
            _host = runtime.AllocateStaging<float>(floats);
        }
    }
}
