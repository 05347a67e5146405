using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Cpu;

/// <summary>Whole layers: what does not depend on the number of threads, and what a step costs.</summary>
public sealed class CpuDeviceStepTests
{
    private static readonly AttentionShape Shape = new(6, 2, 32);

    [Theory]
    [InlineData(CpuIsa.Auto, true, GgmlType.Q8_0, KvType.F16)]
    [InlineData(CpuIsa.Auto, true, GgmlType.F16, KvType.F16)]
    [InlineData(CpuIsa.Portable, false, GgmlType.Q4_1, KvType.F16)]
    [InlineData(CpuIsa.Auto, true, GgmlType.Q8_0, KvType.Q8)]
    [InlineData(CpuIsa.Portable, false, GgmlType.Q4_1, KvType.Q8)]
    public void Step_OneTwoOrThreeThreads_SameBits(CpuIsa isa, bool generated, GgmlType type, KvType kv)
    {
        float[]? expected = null;
        string? numerics = null;
        foreach (int threads in (int[])[1, 2, 3])
        {
            using CpuDevice device = CpuDevice.Create(new CpuDeviceOptions { Threads = threads, Isa = isa, GeneratedCode = generated });
            using var layer = new Layer(device, type, kv, 600);
            layer.Step(600, 0);
            layer.Step(1, 600);
            float[] logits = layer.Logits();
            expected ??= logits;
            Assert.Equal(expected, logits);
            numerics ??= device.Info.Numerics;
            Assert.Equal(numerics, device.Info.Numerics);
        }
    }

    /// <summary>A prompt, then single tokens: attention with many rows and with few, whole blocks and the last one, maxima that are raised and not.</summary>
    [Theory]
    [InlineData(CpuIsa.Avx2, false, GgmlType.F32, KvType.F16)]
    [InlineData(CpuIsa.Avx512, false, GgmlType.F32, KvType.F16)]
    [InlineData(CpuIsa.Auto, true, GgmlType.F32, KvType.F16)]
    [InlineData(CpuIsa.Avx2, false, GgmlType.F32, KvType.Q8)]
    [InlineData(CpuIsa.Avx512, false, GgmlType.F32, KvType.Q8)]
    [InlineData(CpuIsa.Auto, true, GgmlType.F32, KvType.Q8)]
    [InlineData(CpuIsa.Avx2, false, GgmlType.Q4_1, KvType.F16)]
    [InlineData(CpuIsa.Avx512, false, GgmlType.Q4_1, KvType.F16)]
    [InlineData(CpuIsa.Auto, true, GgmlType.Q4_1, KvType.F16)]
    public void Step_EveryFamilyOfKernels_SameClassAndBits(CpuIsa isa, bool generated, GgmlType type, KvType kv)
    {
        Assert.SkipUnless(CpuFeatures.Supports(isa), $"this processor does not support {isa} instructions");
        (string Numerics, float[] Logits) expected = Run(CpuIsa.Portable, false, type, kv);
        (string numerics, float[] logits) = Run(isa, generated, type, kv);
        Assert.Equal(expected.Numerics, numerics);
        Assert.Equal(expected.Logits, logits);

        static (string Numerics, float[] Logits) Run(CpuIsa isa, bool generated, GgmlType type, KvType kv)
        {
            using CpuDevice device = CpuDevice.Create(new CpuDeviceOptions { Threads = 2, Isa = isa, GeneratedCode = generated });
            using var layer = new Layer(device, type, kv, 333);
            layer.Step(333, 0);
            var logits = new List<float>(layer.Logits());
            for (int position = 333; position < 400; position += 11)
            {
                layer.Step(11, position);
                logits.AddRange(layer.Logits());
            }

            layer.Step(1, 410);
            return (device.Info.Numerics, [.. logits, .. layer.Logits()]);
        }
    }

    [Theory]
    [InlineData(KvType.F16)]
    [InlineData(KvType.Q8)]
    public void Step_SteadyState_AllocatesNothing(KvType kv)
    {
        using CpuDevice device = CpuDevice.Create(new CpuDeviceOptions { Threads = 2 });
        using var layer = new Layer(device, GgmlType.Q4_0, kv, 64);
        int[] ids = new int[8];
        float[] values = new float[8];
        layer.Step(40, 0);
        layer.Step(1, 40);

        // The first steps may still compile, and a path that a worker takes only when another is late has its first time: what a step itself allocates, every round shows.
        long allocated = long.MaxValue;
        for (int round = 0; round < 5 && allocated != 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 4; i++)
            {
                layer.Step(1, 41 + (4 * round) + i);
                layer.Top(ids, values);
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated);
    }

    /// <summary>One transformer layer with logits, and its one sequence.</summary>
    private sealed class Layer : IDisposable
    {
        private const int Width = 192;
        private readonly CpuDevice _device;
        private readonly Matrix _square;
        private readonly Matrix _kv;
        private readonly Matrix _wide;
        private readonly Matrix _narrow;
        private readonly Vector _norm;
        private readonly RopeTable _rope;
        private readonly KvCache _cache;
        private readonly StepBatch _batch;
        private readonly Tensor _hidden;
        private readonly Tensor _query;
        private readonly Tensor _key;
        private readonly Tensor _value;
        private readonly Tensor _attention;
        private readonly Tensor _logits;
        private readonly int[] _blocks = [.. Enumerable.Range(0, 24)];
        private readonly int[] _tokens;
        private readonly Projection[] _projections;

        public Layer(CpuDevice device, GgmlType type, KvType kv, int maxRows)
        {
            _device = device;
            _square = device.LoadMatrix(Numbers.Matrix(type, Width, Width, 1));
            _kv = device.LoadMatrix(Numbers.Matrix(type, 64, Width, 2));
            _wide = device.LoadMatrix(Numbers.Matrix(type, 512, Width, 3));
            _narrow = device.LoadMatrix(Numbers.Matrix(type, Width, 512, 4));
            _norm = device.LoadVector(TensorData.FromFloats("norm", 1, Width, Numbers.Normal(5, Width)));
            _rope = device.LoadRope(new RopeParameters(RopeStyle.Interleaved, 32, [.. Enumerable.Range(0, 16).Select(i => MathF.Pow(10000, -i / 16f))]), 1024);
            _cache = device.AllocateKvCache(new KvLayout(1, 2, 32, Type: kv), 24);
            _batch = new StepBatch(maxRows, 1);
            _hidden = device.AllocateTensor(maxRows, Width);
            _query = device.AllocateTensor(maxRows, Width);
            _key = device.AllocateTensor(maxRows, 64);
            _value = device.AllocateTensor(maxRows, 64);
            _attention = device.AllocateTensor(maxRows, Width);
            _logits = device.AllocateTensor(1, 512);
            _tokens = [.. Enumerable.Range(0, maxRows).Select(i => i * 7 % 512)];
            _projections = [new(_square, null, _query), new(_kv, null, _key), new(_kv, null, _value)];
        }

        public void Step(int rows, int position)
        {
            _batch.Clear();
            _batch.AddSequence(_tokens.AsSpan(0, rows), position, _blocks, 32, 1);
            _device.BeginStep(_batch);
            _device.Embed(_wide, _hidden);
            _device.NormedProjection(_hidden, _norm, 1e-5f, _projections);
            _device.RopeAppend(_query, _key, _value, Shape, _rope, null, _cache, 0);
            _device.Attention(_query, _cache, 0, Shape, _attention);
            _device.ResidualProjection(_attention, _square, null, _hidden);
            _device.GatedFeedForward(_hidden, _norm, 1e-5f, _wide, _wide, _narrow);
            _device.Logits(_hidden, _norm, 1e-5f, _wide, _logits);
        }

        public void Top(Span<int> ids, Span<float> values) => _device.TopCandidates(_logits, 1, ids.Length, ids, values);

        public float[] Logits()
        {
            float[] values = new float[512];
            _device.Read(_logits, 0, 1, values);
            return values;
        }

        public void Dispose()
        {
            foreach (IDisposable memory in (IDisposable[])[_square, _kv, _wide, _narrow, _norm, _rope, _cache, _hidden, _query, _key, _value, _attention, _logits])
            {
                memory.Dispose();
            }
        }
    }
}
