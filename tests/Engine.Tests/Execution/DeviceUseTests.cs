using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Testing;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Engine.Tests.Execution;

/// <summary>What an engine asks of its device, and when.</summary>
public sealed class DeviceUseTests
{
    /// <summary>A group of a GPU takes so many query heads and no more: said when the model is loaded, not by the first request.</summary>
    [Fact]
    public void InferenceEngine_HeadsThatTheDeviceDoesNotTake_SaysSoAtOnce()
    {
        using Device device = DeviceCatalog.Open("ilgpu-cpu");
        var failure = Assert.Throws<NotSupportedException>(() => new InferenceEngine(
            TinyTransformer.Config with { Heads = 34, KvHeads = 2 }, TinyTransformer.Weights(), "tiny", null, device, EngineRig.SmallOptions));
        Assert.StartsWith("17 query heads share each key/value head", failure.Message);
    }

    /// <summary>Rows that are read whole are announced together, before the first of them is read.</summary>
    [Fact]
    public async Task Step_RowsThatAreReadWhole_AreExpectedTogether()
    {
        var device = new ExpectingDevice();
        await using var rig = new EngineRig(device: device);
        SamplingParameters whole = SamplingParameters.Greedy with { LogProbabilities = 2 };
        SamplingParameters[] sampling = [whole, SamplingParameters.Greedy, whole, whole];
        SequenceHandle[] handles = [.. sampling.Select((s, i) => rig.Submit(EngineRig.Request(EngineRig.Prompt(5 + i, i), 12, s)))];
        foreach (SequenceHandle handle in handles)
        {
            Generated generated = await EngineRig.ReadAsync(handle);
            Assert.Equal(12, generated.Tokens.Length);
        }

        Assert.Contains(device.Steps, step => step.Expected.Count == 3);
        Assert.All(device.Steps.Where(step => step.Expected.Count > 0 || step.Read.Count > 1), step => Assert.Equal(step.Expected, step.Read));
    }

    /// <summary>Notes which rows were expected, and which were read, between two steps. The engine's thread.</summary>
    private sealed class ExpectingDevice : ReferenceDevice
    {
        public List<(List<int> Expected, List<int> Read)> Steps { get; } = [];

        public override void BeginStep(StepBatch batch)
        {
            Steps.Add(([], []));
            base.BeginStep(batch);
        }

        public override void ExpectReads(Tensor tensor, ReadOnlySpan<int> rows)
        {
            Assert.Empty(Steps[^1].Read);
            Steps[^1].Expected.AddRange(rows);
        }

        public override void Read(Tensor tensor, int firstRow, int rows, Span<float> destination)
        {
            Steps[^1].Read.AddRange(Enumerable.Range(firstRow, rows));
            base.Read(tensor, firstRow, rows, destination);
        }
    }
}
