using ILGPU;
using ILGPU.Runtime;
using ServingGrid.Kernels.Ilgpu.Programs;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// Finds each row's largest logits in rounds: segments of a row in parallel, then segments of what they found, until one is
/// left. Only the candidates travel to the host. Used by the engine's thread alone.
/// </summary>
internal sealed class TopSelector(IlgpuRuntime runtime, KernelSet kernels, KernelTuning tuning) : IDisposable
{
    private readonly DeviceBuffer<ulong>?[] _rounds = new DeviceBuffer<ulong>?[2];
    private PageLockedArray1D<ulong>? _host;

    /// <summary>See <see cref="Device.TopCandidates"/>.</summary>
    public void Select(IlgpuTensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        int length = logits.Columns;
        ArrayView<ulong> keys = Rounds(0, 1);
        int segments;
        int round = 0;
        do
        {
            // At least twice as many elements as survive, so that every round gets shorter.
            int segment = Math.Max(tuning.Threads * tuning.LogitsPerThread, 4 * count);
            segments = (length + segment - 1) / segment;
            ArrayView<ulong> output = Rounds(round % 2, (long)rows * segments * count);
            runtime.Launch(
                kernels.Top,
                runtime.Compute,
                new KernelConfig(new Index3D(segments, rows, 1), new Index3D(tuning.Threads, 1, 1)),
                new TopArguments
                {
                    Logits = logits.Floats,
                    Keys = keys,
                    Output = output,
                    FromLogits = round == 0 ? 1 : 0,
                    LogitStride = logits.Stride,
                    Length = length,
                    Segment = segment,
                    Count = count,
                });
            keys = output;
            length = segments * count;
            round++;
        }
        while (segments > 1);

        int found = rows * count;
        if (_host is null || _host.Length < found)
        {
            runtime.Free(_host);
            _host = runtime.AllocateStaging<ulong>(found);
        }

        runtime.DownloadAsync(runtime.Compute, keys.SubView(0, found), ref _host.GetArray()[0]);
        runtime.Wait(runtime.Compute);
        for (int i = 0; i < found; i++)
        {
            ids[i] = TopKernels.Id(_host[i]);
            values[i] = TopKernels.Value(_host[i]);
        }
    }

    public void Dispose()
    {
        runtime.Free(_host);
        _rounds[0]?.Dispose();
        _rounds[1]?.Dispose();
    }

    private ArrayView<ulong> Rounds(int index, long length)
    {
        if (_rounds[index] is null || _rounds[index]!.Length < length)
        {
            runtime.Wait(runtime.Compute);
            _rounds[index]?.Dispose();
            _rounds[index] = runtime.Allocate<ulong>(length);
        }

        return _rounds[index]!.View;
    }
}
