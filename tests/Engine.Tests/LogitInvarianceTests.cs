using System.Runtime.InteropServices;
using ServingGrid.Engine.Execution;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests;

/// <summary>The processor's logits for a sequence are the same bits however its rows are spread over steps, and whoever shares the steps.</summary>
public sealed class LogitInvarianceTests
{
    private const int Length = 75;
    private const int Sequences = 32;

    public static TheoryData<string, KvType> Models => new()
    {
        { "llama-Q4_1", KvType.F16 },
        { "qwen2-Q4_0", KvType.F16 },
        { "qwen3-Q4_K_M", KvType.F16 },
        { "llama-Q5_K", KvType.F16 },
        { "llama-Q4_1", KvType.Q8 },
        { "qwen3-Q4_K_M", KvType.Q8 },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void Forward_ChunksOfAnySize_SameLogits(string name, KvType kv)
    {
        using var rig = new Rig(name, kv);
        int[] tokens = rig.Tokens(0);
        float[][] whole = rig.Feed(0, tokens, [tokens.Length]);
        var random = new Random(1);
        int[][] cuts = [[1], [7], [31, 33], [32], [33], [64, 1, 10], .. Enumerable.Range(0, 6).Select(_ => Enumerable.Range(0, 5).Select(_ => random.Next(1, 40)).ToArray())];
        foreach (int[] sizes in cuts)
        {
            AssertSame(whole, rig.Feed(0, tokens, sizes), $"chunks of {string.Join(", ", sizes)}");
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Forward_InABatchOf32_SameLogitsAsAlone(string name, KvType kv)
    {
        using var rig = new Rig(name, kv);
        int[][] tokens = [.. Enumerable.Range(0, Sequences).Select(rig.Tokens)];
        float[][][] alone = [.. tokens.Select((own, i) => rig.Feed(i, own, [own.Length]))];

        // Prompts of mixed lengths, then all decode together.
        int[] prompts = [.. Enumerable.Range(0, Sequences).Select(i => 1 + (i * 13 % (Length - 16)))];
        for (int i = 0; i < Sequences; i++)
        {
            rig.Feed(i, tokens[i][..prompts[i]], [prompts[i]]);
        }

        for (int step = 0; step < 16; step++)
        {
            float[][] logits = rig.Step([.. Enumerable.Range(0, Sequences).Select(i => (i, tokens[i][(prompts[i] + step)..(prompts[i] + step + 1)], prompts[i] + step))]);
            for (int i = 0; i < Sequences; i++)
            {
                AssertSame([alone[i][prompts[i] + step]], [logits[i]], $"sequence {i}, step {step}");
            }
        }
    }

    [Fact]
    public void Forward_OtherNumberOfThreads_SameLogits()
    {
        using var one = new Rig("llama-Q4_1", threads: 1);
        using var three = new Rig("llama-Q4_1", threads: 3);
        int[] tokens = one.Tokens(0);
        AssertSame(one.Feed(0, tokens, [20, 1]), three.Feed(0, tokens, [20, 1]), "three threads");
    }

    private static void AssertSame(float[][] expected, float[][] actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int row = 0; row < expected.Length; row++)
        {
            Assert.True(MemoryMarshal.AsBytes<float>(expected[row]).SequenceEqual(MemoryMarshal.AsBytes<float>(actual[row])), $"{what}: other bits in row {row}");
        }
    }

    /// <summary>A forward pass with room for all sequences, whose blocks lie scattered.</summary>
    private sealed class Rig : IDisposable
    {
        private readonly Device _device;
        private readonly ModelFile _file;
        private readonly DeviceModel _model;
        private readonly ForwardPass _forward;
        private readonly KvCache _cache;
        private readonly StepBatch _batch = new(Length, Sequences);
        private readonly int[][] _tables;

        public Rig(string name, KvType kv = KvType.F16, int threads = 2)
        {
            _device = CpuDevice.Create(new CpuDeviceOptions { Threads = threads });
            _file = ModelFile.Open(RepositoryRoot.Combine("tests", "Golden", "models", name + ".gguf"));
            ModelConfig config = _file.Config;
            _model = new DeviceModel(config, _file.Weights, _device);
            _model.PrepareRope(_device, Length);
            _forward = new ForwardPass(_device, _model, Length, Length);
            var layout = new KvLayout(config.Layers, config.KvHeads, config.HeadSize, Type: kv);
            int blocks = (Length + layout.BlockSize - 1) / layout.BlockSize;
            _tables = [.. Enumerable.Range(0, Sequences).Select(i => Enumerable.Range(0, blocks).Select(block => (block * Sequences) + ((i + (7 * block)) % Sequences)).ToArray())];
            _cache = _device.AllocateKvCache(layout, blocks * Sequences);
        }

        public int[] Tokens(int seed)
        {
            var random = new Random(seed + 100);
            return [.. Enumerable.Range(0, Length).Select(_ => random.Next(_file.Config.VocabularySize))];
        }

        /// <summary>Logits after every token; the sizes of the chunks are used in turn.</summary>
        public float[][] Feed(int sequence, int[] tokens, int[] sizes)
        {
            List<float[]> logits = [];
            for (int at = 0, chunk = 0; at < tokens.Length; chunk++)
            {
                int count = Math.Min(sizes[chunk % sizes.Length], tokens.Length - at);
                logits.AddRange(Step([(sequence, tokens[at..(at + count)], at)]));
                at += count;
            }

            return [.. logits];
        }

        public float[][] Step((int Sequence, int[] Tokens, int First)[] rows)
        {
            _batch.Clear();
            foreach ((int sequence, int[] tokens, int first) in rows)
            {
                _batch.AddSequence(tokens, first, _tables[sequence], _cache.Layout.BlockSize, tokens.Length);
            }

            _forward.Run(_batch, _cache);
            float[][] logits = [.. Enumerable.Range(0, _batch.SampledRowCount).Select(_ => new float[_file.Config.VocabularySize])];
            for (int row = 0; row < logits.Length; row++)
            {
                _device.Read(_forward.Logits, row, 1, logits[row]);
            }

            return logits;
        }

        public void Dispose()
        {
            _cache.Dispose();
            _forward.Dispose();
            _model.Dispose();
            _file.Dispose();
            _device.Dispose();
        }
    }
}
