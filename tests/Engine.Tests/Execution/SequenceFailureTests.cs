using System.Collections;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Tests.Disaggregation;
using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests.Execution;

/// <summary>What goes wrong for one sequence ends that sequence, and nobody else notices.</summary>
public sealed class SequenceFailureTests
{
    [Theory]
    [InlineData(0.01f, 0.9f, 1f)]
    [InlineData(100f, 0.9f, 1f)]
    [InlineData(0.01f, 0f, 2f)]
    [InlineData(0.01f, float.Epsilon, float.Epsilon)]
    public async Task Submit_PenaltiesAtTheirEnds_Answers(float penalty, float topP, float temperature)
    {
        await using var rig = new EngineRig();
        var neighbours = Neighbours.Start(rig);
        var sampling = new SamplingParameters
        {
            RepetitionPenalty = penalty,
            TopP = topP,
            Temperature = temperature,
            PresencePenalty = -2,
            FrequencyPenalty = -2,
            Seed = 1,
        };
        Assert.Equal(30, (await rig.GenerateAsync(EngineRig.Request(EngineRig.Prompt(12, 1), 30, sampling))).Tokens.Length);
        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Step_SamplerThrows_FailsThatSequenceOnly()
    {
        await using var rig = new EngineRig();
        var neighbours = Neighbours.Start(rig);
        var sampling = new SamplingParameters { LogitBias = new BrokenBiases(readable: 1) };
        await AssertBlamedAsync(
            rig, rig.Submit(EngineRig.Request(EngineRig.Prompt(20, 1), 8, sampling)), EngineFailure.SequenceFailed, "broken biases");
        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public async Task Step_DetokenizerThrows_FailsThatSequenceOnly(int atToken)
    {
        int tokens = 0;
        var tokenizer = new TinyTokenizer { OnToken = _ => Assert.False(++tokens == atToken, "broken text") };
        await using var rig = new EngineRig(tokenizer: tokenizer);
        var neighbours = Neighbours.Start(rig);
        SequenceHandle broken = rig.Submit(EngineRig.Request(EngineRig.Prompt(20, 1), 8) with { StopStrings = ["never"] });
        await AssertBlamedAsync(rig, broken, EngineFailure.SequenceFailed, "broken text");
        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
    }

    [Theory]
    [InlineData(0f, 0)]
    [InlineData(1f, 20)]
    [InlineData(1f, 0)]
    public async Task Step_EveryTokenForbidden_FailsThatSequenceOnly(float temperature, int topK)
    {
        // All tokens end an answer, and none may before the minimum.
        await using var rig = new EngineRig(tokenizer: new TinyTokenizer { EndTokens = [.. Enumerable.Range(0, 96)] });
        var sampling = new SamplingParameters { Temperature = temperature, TopK = topK };
        SequenceRequest request = EngineRig.Request(EngineRig.Prompt(20, 1), 8, sampling);
        await AssertBlamedAsync(rig, rig.Submit(request with { MinTokens = 2 }), EngineFailure.InvalidOutput, "forbids every token");
        Assert.Equal(8, (await rig.GenerateAsync(request with { MinTokens = 2, IgnoreEos = true })).Tokens.Length);
        Assert.Empty((await rig.GenerateAsync(request)).Tokens);

        // Its prompt was computed as it should be, and is found.
        Assert.Equal(16, (await rig.GenerateAsync(request)).End.Usage.CachedTokens);
        await rig.AssertIdleAsync();
    }

    [Theory]
    [InlineData(BrokenSink.Call.BlocksReady)]
    [InlineData(BrokenSink.Call.Completed)]
    [InlineData(BrokenSink.Call.Failed)]
    public async Task Step_SinkThrows_FailsThatPrefillOnly(BrokenSink.Call broken)
    {
        await using var rig = new EngineRig();
        var neighbours = Neighbours.Start(rig);
        var sink = new BrokenSink(broken);
        PrefillHandle handle = rig.Engine.SubmitPrefill(EngineRig.Request(EngineRig.Prompt(50, 1), 4), 0, sink).Accepted!;
        if (broken == BrokenSink.Call.Failed)
        {
            handle.Release();
        }
        else
        {
            Assert.Equal(EngineFailure.SequenceFailed, (await sink.Failure.WaitAsync(TimeSpan.FromMinutes(1))).Failure);
            Assert.False(handle.TryGather(0, 1, 0, 1, new byte[handle.Layout.BlockBytes]));
        }

        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Admission_SinkThrowsForACachedPrefix_FailsThatPrefillOnly()
    {
        await using var rig = new EngineRig();
        int[] prompt = EngineRig.Prompt(50, 1);
        await rig.GenerateAsync(EngineRig.Request(prompt, 1));
        var neighbours = Neighbours.Start(rig);
        var sink = new BrokenSink(BrokenSink.Call.BlocksReady);
        Assert.NotNull(rig.Engine.SubmitPrefill(EngineRig.Request(prompt, 4), 0, sink).Accepted);
        Assert.Equal(EngineFailure.SequenceFailed, (await sink.Failure.WaitAsync(TimeSpan.FromMinutes(1))).Failure);
        await neighbours.AssertUndisturbedAsync();
        await rig.AssertIdleAsync();
    }

    [Fact]
    public async Task Step_ListenerThrows_GoesOn()
    {
        await using var rig = new EngineRig();
        rig.Engine.Published += () => throw new InvalidOperationException("broken listener");
        var neighbours = Neighbours.Start(rig);
        await neighbours.AssertUndisturbedAsync();
        Assert.Equal(EngineHealth.Serving, rig.Engine.Status.Health);
        await rig.AssertIdleAsync();
    }

    private static async Task AssertBlamedAsync(EngineRig rig, SequenceHandle handle, EngineFailure failure, string message)
    {
        EngineException e = await Assert.ThrowsAsync<EngineException>(() => EngineRig.ReadAsync(handle));
        Assert.Equal((failure, true), (e.Failure, e.BlamesSequence));
        Assert.Contains(message, e.Message);
        EngineStatus status = rig.Engine.Status;
        Assert.Equal((EngineHealth.Serving, 1, 0), (status.Health, status.BlamedSequences, status.FailedSteps));
    }

    /// <summary>Can be read so many times, and throws then.</summary>
    private sealed class BrokenBiases(int readable) : IReadOnlyDictionary<int, float>
    {
        private readonly Dictionary<int, float> _inner = new() { [1] = 1 };
        private int _reads;

        public int Count => _inner.Count;

        public IEnumerable<int> Keys => _inner.Keys;

        public IEnumerable<float> Values => _inner.Values;

        public float this[int key] => _inner[key];

        public bool ContainsKey(int key) => _inner.ContainsKey(key);

        public bool TryGetValue(int key, out float value) => _inner.TryGetValue(key, out value);

        public IEnumerator<KeyValuePair<int, float>> GetEnumerator() =>
            _reads++ < readable ? _inner.GetEnumerator() : throw new InvalidOperationException("broken biases");

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
