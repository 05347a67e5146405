using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests;

/// <summary>
/// A step that only decodes allocates nothing, but for what a growing sequence is made of: its tokens, block table and hashes are in arrays that
/// double, and so is the device's scratch for longer contexts. Such steps are rare, and cost a few bytes for each token on average.
/// </summary>
public sealed class StepAllocationTests
{
    private const int WarmUp = 160;
    private const int Steps = 300;

    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 40)]
    [InlineData(16, 0)]
    [InlineData(16, 40)]
    public async Task Step_OfDecodes_AllocatesOnlyForGrowth(int sequences, int topK)
    {
        using ModelFile file = ModelFile.Open(RepositoryRoot.Combine("tests", "Golden", "models", "llama-Q4_1.gguf"));
        using var device = new HookedDevice(CpuDevice.Create(new CpuDeviceOptions { Threads = 2 }));
        List<SequenceHandle> handles = [];
        long[] allocated = new long[WarmUp + Steps];
        int step = 0;
        using var submitted = new ManualResetEventSlim();
        var measured = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        device.OnStep = Count;
        var options = new EngineOptions { KvBlocks = 16 * 20, MaxBatchTokens = 64, MaxSequences = 16 };
        await using var engine = new InferenceEngine(file.Config, file.Weights, file.Fingerprint, null, device, options);
        foreach (int i in Enumerable.Range(0, sequences))
        {
            SamplingParameters sampling = new() { Temperature = topK == 0 ? 0 : 1, TopK = topK, Seed = (ulong)i };
            handles.Add(engine.Submit(EngineRig.Request(EngineRig.Prompt(3, i), WarmUp + Steps + 40, sampling)).Accepted!);
        }

        submitted.Set();
        await measured.Task.WaitAsync(TimeSpan.FromSeconds(60));
        handles.ForEach(handle => handle.Cancel());

        long[] perStep = [.. allocated[WarmUp..].Zip(allocated[(WarmUp + 1)..], (before, after) => after - before)];
        Assert.InRange(perStep.Count(bytes => bytes > 0), 0, Steps / 25);
        Assert.InRange(perStep.Sum() / (double)(perStep.Length * sequences), 0, 16);

        void Count(StepBatch batch)
        {
            // None runs before all do: they would have too few steps left, if this machine let the engine run and not the test.
            submitted.Wait();

            // On the engine's thread: a reader that keeps up, so that the channel has nothing to store.
            foreach (SequenceHandle handle in handles)
            {
                while (handle.Updates.TryRead(out _))
                {
                }
            }

            if (batch.RowCount == sequences && step < allocated.Length)
            {
                allocated[step++] = GC.GetAllocatedBytesForCurrentThread();
            }
            else if (step == allocated.Length)
            {
                measured.TrySetResult();
            }
        }
    }
}
