using System.Diagnostics;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Gguf;

/// <summary>Truncated and damaged files: nothing but <see cref="GgufException"/> comes out, in bounded time and memory.</summary>
public sealed class GgufFuzzTests : IDisposable
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(5);

    // Lengths, counts and offsets at the edges of what 31, 32, 63 and 64 bits hold.
    private static readonly ulong[] Extremes =
        [0, 1, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32, (1UL << 61) - 1, 1UL << 62, long.MaxValue, 1UL << 63, ulong.MaxValue - 31, ulong.MaxValue];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Architectures => ["llama", "qwen2", "qwen3"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Parse_EveryTruncationOfAHeader_Throws()
    {
        byte[] header = new TinyModel().ToBytes();
        int length = GgufHeader.Parse(header, "whole").Bytes.Length;

        for (int cut = 0; cut < length; cut++)
        {
            Assert.Throws<GgufException>(() => GgufHeader.Parse(header.AsSpan(0, cut), "cut"));
        }
    }

    [Fact]
    public void Parse_TruncationsOfTheBundledHeader_Throw()
    {
        byte[] header = BundledHeader();
        var lengths = new Random(1);

        for (int i = 0; i < 500; i++)
        {
            byte[] cut = header[..lengths.Next(header.Length)];
            Assert.Throws<GgufException>(() => Bounded(cut, bytes => GgufHeader.Parse(bytes, "cut")));
        }
    }

    [Fact]
    public void Open_EveryTruncationOfAModel_Throws()
    {
        byte[] model = new TinyModel().ToBytes();
        string path = _folder.Combine("cut.gguf");
        using GgufFile whole = OpenFile(model);
        // The last tensor may lack the padding after it.
        long end = whole.Tensors.Values.Zip(whole.Header.Tensors, (tensor, info) => whole.Header.DataOffset + info.Offset + tensor.ByteLength).Max();

        for (int cut = 0; cut < end; cut += cut < whole.Header.DataOffset ? 1 : 37)
        {
            File.WriteAllBytes(path, model[..cut]);
            Assert.Throws<GgufException>(() => ModelFile.Open(path));
        }

        File.WriteAllBytes(path, model[..(int)end]);
        ModelFile.Open(path).Dispose();
    }

    [Theory]
    [MemberData(nameof(Architectures))]
    public void Open_Damaged_OpensOrThrowsGgufException(string architecture) => OpenDamaged(architecture, Enumerable.Range(0, 1500));

    [Theory]
    [MemberData(nameof(Architectures))]
    [Trait("Category", "Nightly")]
    public void Open_DamagedInManyWays_OpensOrThrowsGgufException(string architecture)
    {
        Nightly.SkipUnlessEnabled();
        OpenDamaged(architecture, Enumerable.Range(1500, 40_000));
    }

    private void OpenDamaged(string architecture, IEnumerable<int> seeds)
    {
        string original = _folder.Combine("original.gguf");
        RandomModelShape shape = RandomModelShape.Small with { Layers = 1, Width = 32, Heads = 2, KvHeads = 1, HeadSize = 16, FeedForward = 32 };
        RandomModel.Write(original, new RandomModelOptions { Shape = shape, Architecture = architecture });
        byte[] model = File.ReadAllBytes(original);
        GgufHeader header = GgufHeader.Parse(model, original);

        foreach (int seed in seeds)
        {
            OpenDamaged(model, header, new Random(seed));
        }
    }

    [Fact]
    public void Parse_BitFlipsInTheBundledHeader_ParseOrThrowGgufException()
    {
        byte[] header = BundledHeader();
        var random = new Random(2);

        for (int i = 0; i < 2000; i++)
        {
            byte[] flipped = (byte[])header.Clone();
            int position = random.Next(2) == 0 ? random.Next(1024) : random.Next(header.Length);
            flipped[position] ^= (byte)(1 << random.Next(8));
            Tolerate(() => Bounded(flipped, bytes => ReadEverything(GgufHeader.Parse(bytes, "flipped").Metadata)));
        }
    }

    [Fact]
    public void Parse_RandomBytesAfterTheMagic_Throws()
    {
        var random = new Random(3);
        for (int i = 0; i < 5000; i++)
        {
            byte[] bytes = new byte[random.Next(8, 512)];
            random.NextBytes(bytes);
            "GGUF\x3\0\0\0"u8.CopyTo(bytes);
            Assert.Throws<GgufException>(() => Bounded(bytes, b => GgufHeader.Parse(b, "random")));
        }
    }

    private void OpenDamaged(byte[] model, GgufHeader header, Random random)
    {
        byte[] damaged = (byte[])model.Clone();
        for (int places = random.Next(1, 4); places > 0; places--)
        {
            // Most of the header is vocabulary: three places out of four are where the structure is, at both of its ends.
            int offset = random.Next(1500);
            int position = random.Next(4) switch
            {
                0 => random.Next(model.Length),
                1 => offset,
                _ => header.Bytes.Length - 1 - offset,
            };
            if (random.Next(3) == 0 && position + sizeof(ulong) <= damaged.Length)
            {
                BitConverter.TryWriteBytes(damaged.AsSpan(position), Extremes[random.Next(Extremes.Length)]);
            }
            else
            {
                damaged[position] ^= (byte)(1 << random.Next(8));
            }
        }

        string path = _folder.Combine("damaged.gguf");
        File.WriteAllBytes(path, damaged);
        Tolerate(() => Bounded(damaged, _ =>
        {
            using var opened = ModelFile.Open(path);
            ReadEverything(opened.Metadata);
            ReadWeights(opened.Weights);
        }));
    }

    private static void Tolerate(Action action)
    {
        try
        {
            action();
        }
        catch (GgufException e)
        {
            Assert.False(e.Message.Any(char.IsControl), e.Message);
        }
    }

    /// <summary>Runs the action on the bytes and asserts that it took little time and allocated in proportion to them.</summary>
    private static void Bounded(byte[] bytes, Action<byte[]> action)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        try
        {
            action(bytes);
        }
        finally
        {
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000 + 40L * bytes.Length);
            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeLimit);
        }
    }

    /// <summary>Asks for every key as every type.</summary>
    private static void ReadEverything(GgufMetadata metadata)
    {
        Action<string>[] getters =
        [
            key => metadata.GetString(key), key => metadata.GetInteger(key), key => metadata.GetFloat(key), key => metadata.GetBool(key),
            key => metadata.GetStrings(key), key => metadata.GetFloats(key), key => metadata.GetIntegers(key),
        ];
        foreach (string key in metadata.Keys)
        {
            // Values whose type does not fit throw; one getter of the seven fits, except for arrays of truth values.
            Array.ForEach(getters, getter => Tolerate(() => getter(key)));
        }
    }

    private static void ReadWeights(ModelWeights weights)
    {
        foreach (LayerWeights layer in weights.Layers)
        {
            foreach (TensorData tensor in new[] { weights.Output, weights.OutputNorm, layer.Query, layer.Key, layer.Value, layer.Gate, layer.Up, layer.Down })
            {
                Dequantizer.DequantizeRow(tensor.Type, tensor.Row(tensor.Rows - 1), new float[tensor.Columns]);
            }
        }
    }

    private static byte[] BundledHeader()
    {
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);
        return file.Header.Bytes.ToArray();
    }

    private GgufFile OpenFile(byte[] bytes)
    {
        string path = _folder.Combine("whole.gguf");
        File.WriteAllBytes(path, bytes);
        return GgufFile.Open(path);
    }
}
