using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;
using ServingGrid.Kernels.Ilgpu.Programs;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// Moves KV blocks between a cache and the host on a stream of its own, beside the steps: a kernel packs or unpacks blocks in
/// device memory, one copy through page-locked memory carries them. One transfer at a time; any thread.
/// </summary>
internal sealed class TransferLane(IlgpuRuntime runtime, KernelSet kernels, KernelTuning tuning) : IDisposable
{
    // Bytes that one copy carries: large enough for the bus's full speed, small enough to be no burden.
    private const int StagingBytes = 8 << 20;

    private readonly Lock _lock = new();
    private DeviceBuffer<uint>? _packed;
    private PageLockedArray1D<uint>? _host;
    private DeviceBuffer<int>? _blocks;

    /// <summary>See <see cref="Device.Gather"/>.</summary>
    public void Gather(IlgpuKvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, Span<byte> destination)
    {
        lock (_lock)
        {
            Reserve(cache.BlockWords, blocks);
            for (int layer = 0; layer < layers; layer++)
            {
                for (int done = 0, part; done < blocks.Length; done += part)
                {
                    part = Part(cache, blocks.Length - done);
                    int words = part * cache.BlockWords;
                    runtime.Launch(kernels.Copy, runtime.Transfer, Shape(part), new CopyArguments
                    {
                        Source = cache.Words,
                        Target = _packed!.View,
                        From = _blocks!.View.SubView(done, part),
                        To = _blocks!.View,
                        SourceStart = (firstLayer + layer) * cache.LayerWords,
                        BlockWords = cache.BlockWords,
                        PackedTarget = 1,
                    });
                    runtime.DownloadAsync(runtime.Transfer, _packed.View.SubView(0, words), ref _host!.GetArray()[0]);
                    runtime.Wait(runtime.Transfer);
                    MemoryMarshal.AsBytes(_host.Span[..words]).CopyTo(destination[((layer * blocks.Length + done) * cache.BlockWords * sizeof(uint))..]);
                }
            }
        }
    }

    /// <summary>See <see cref="Device.Scatter"/>.</summary>
    public void Scatter(IlgpuKvCache cache, int firstLayer, int layers, ReadOnlySpan<int> blocks, ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            Reserve(cache.BlockWords, blocks);
            for (int layer = 0; layer < layers; layer++)
            {
                for (int done = 0, part; done < blocks.Length; done += part)
                {
                    part = Part(cache, blocks.Length - done);
                    int words = part * cache.BlockWords;
                    source.Slice((layer * blocks.Length + done) * cache.BlockWords * sizeof(uint), words * sizeof(uint)).CopyTo(MemoryMarshal.AsBytes(_host!.Span));
                    runtime.UploadAsync(runtime.Transfer, ref _host!.GetArray()[0], _packed!.View.SubView(0, words));
                    runtime.Launch(kernels.Copy, runtime.Transfer, Shape(part), new CopyArguments
                    {
                        Source = _packed.View,
                        Target = cache.Words,
                        From = _blocks!.View,
                        To = _blocks!.View.SubView(done, part),
                        TargetStart = (firstLayer + layer) * cache.LayerWords,
                        BlockWords = cache.BlockWords,
                        PackedSource = 1,
                    });

                    // Before the staging memory is filled again, and before the caller's next step may begin.
                    runtime.Wait(runtime.Transfer);
                }
            }
        }
    }

    public void Dispose()
    {
        _packed?.Dispose();
        runtime.Free(_host);
        _blocks?.Dispose();
    }

    private int Part(IlgpuKvCache cache, int blocks) => (int)Math.Min(blocks, _packed!.Length / cache.BlockWords);

    private KernelConfig Shape(int blocks) => new(new Index3D(blocks, 1, 1), new Index3D(tuning.Threads, 1, 1));

    private void Reserve(int blockWords, ReadOnlySpan<int> blocks)
    {
        if (_packed is null || _packed.Length < blockWords)
        {
            _packed?.Dispose();
            runtime.Free(_host);
            int words = Math.Max(StagingBytes / sizeof(uint), blockWords);
            _packed = runtime.Allocate<uint>(words);
            _host = runtime.AllocateStaging<uint>(words);
        }

        if (_blocks is null || _blocks.Length < blocks.Length)
        {
            _blocks?.Dispose();
            _blocks = runtime.Allocate<int>(blocks.Length + blocks.Length / 2);
        }

        if (!blocks.IsEmpty)
        {
            int[] ids = GC.AllocateUninitializedArray<int>(blocks.Length, pinned: true);
            blocks.CopyTo(ids);
            runtime.UploadAsync(runtime.Transfer, ref ids[0], _blocks.View.SubView(0, ids.Length));
            runtime.Wait(runtime.Transfer);
            GC.KeepAlive(ids);
        }
    }
}
