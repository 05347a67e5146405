using System.Text;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Gguf;

/// <summary>Headers written by hand that claim what cannot be.</summary>
public class GgufHeaderTests
{
    private const uint Array = 9;
    private const uint String = 8;

    [Fact]
    public void Parse_NotGguf_Throws() => AssertRefused("this is not a GGUF file", w => w.Write("GGML"u8));

    [Theory]
    [InlineData(1u, "GGUF version 1 is not supported")]
    [InlineData(4u, "GGUF version 4 is not supported")]
    [InlineData(0x03000000u, "big-endian GGUF is not supported")]
    public void Parse_OtherVersion_Throws(uint version, string reason) => AssertRefused(reason, w => Start(w, 0, 0, version));

    [Fact]
    public void Parse_Version2_IsRead() => Assert.Equal(2, GgufHeader.Parse(Bytes(w => Start(w, 0, 0, 2)), "memory").Version);

    [Theory]
    [InlineData(ulong.MaxValue, 0ul, "18446744073709551615 tensors do not fit into the")]
    [InlineData(0ul, ulong.MaxValue, "18446744073709551615 metadata pairs do not fit into the")]
    [InlineData(0ul, 1ul, "1 metadata pairs do not fit into the 0 bytes that are left")]
    public void Parse_CountsBeyondTheFile_Throws(ulong tensors, ulong pairs, string reason) => AssertRefused(reason, w => Start(w, tensors, pairs));

    [Fact]
    public void Parse_StringLongerThanTheFile_Throws() => AssertRefused("key 'key', offset 39: 9223372036854775808 bytes of a string do not fit", w =>
    {
        StartPair(w, String);
        w.Write(1UL << 63);
    });

    [Fact]
    public void Parse_ArrayLongerThanTheFile_Throws() => AssertRefused("4611686018427387904 elements do not fit", w =>
    {
        StartPair(w, Array);
        w.Write(4u);
        w.Write(1UL << 62);
    });

    [Fact]
    public void Parse_ArrayOfArrays_Throws() => AssertRefused("arrays of arrays are not supported", w =>
    {
        StartPair(w, Array);
        w.Write(Array);
        w.Write(1UL);
    });

    [Fact]
    public void Parse_UnknownValueType_Throws() => AssertRefused("13 is not a type of metadata", w => StartPair(w, 13));

    [Fact]
    public void Parse_KeyTwice_Throws() => AssertRefused("the key stands in the file twice", w =>
    {
        Start(w, 0, 2);
        for (int i = 0; i < 2; i++)
        {
            Text(w, "key");
            w.Write(7u);
            w.Write((byte)1);
        }
    });

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(1 << 24)]
    public void Parse_AlignmentThatIsNone_Throws(int alignment) => AssertRefused($"key 'general.alignment', offset 53: {alignment} is not a power of two", w =>
    {
        Start(w, 0, 1);
        Text(w, "general.alignment");
        w.Write(4u);
        w.Write(alignment);
    });

    [Theory]
    [InlineData(new ulong[] { }, 0u, 0ul, "0 dimensions are not 1 to 4")]
    [InlineData(new ulong[] { 1, 1, 1, 1, 1 }, 0u, 0ul, "5 dimensions are not 1 to 4")]
    [InlineData(new ulong[] { 32, 0 }, 0u, 0ul, "dimension 1 is zero")]
    [InlineData(new[] { 1ul << 32, 1ul << 32 }, 0u, 0ul, "dimension 1, 4294967296, makes the tensor larger than any file")]
    [InlineData(new[] { ulong.MaxValue }, 0u, 0ul, "dimension 0, 18446744073709551615, makes the tensor larger than any file")]
    [InlineData(new ulong[] { 33 }, 8u, 0ul, "rows of 33 elements are not whole Q8_0 blocks of 32")]
    [InlineData(new ulong[] { 32 }, 10u, 0ul, "tensor type 10 is not supported (supported: F32, F16, ")]
    [InlineData(new ulong[] { 32 }, uint.MaxValue, 0ul, "tensor type 4294967295 is not supported")]
    [InlineData(new ulong[] { 32 }, 0u, 1ul << 63, "the data offset 9223372036854775808 exceeds 63 bits")]
    [InlineData(new ulong[] { 32 }, 0u, 4ul, "its data offset 4 is not a multiple of the alignment 32")]
    public void Parse_ImpossibleTensor_Throws(ulong[] dimensions, uint type, ulong offset, string reason) => AssertRefused(reason, w =>
    {
        Start(w, 1, 0);
        Tensor(w, "tensor", dimensions, type, offset);
    });

    [Fact]
    public void Parse_TensorTwice_Throws() => AssertRefused("entry of tensor 'tensor', offset 70: the name stands in the file twice", w =>
    {
        Start(w, 2, 0);
        Tensor(w, "tensor", [32], 0, 0);
        Tensor(w, "tensor", [32], 0, 128);
        w.Write(new byte[64]);
    });

    [Theory]
    [InlineData(0ul, "its data overlaps that of 'first'")]
    [InlineData(64ul, "its data overlaps that of 'first'")]
    [InlineData(160ul, "its 128 bytes end beyond the file's")]
    [InlineData(9223372036854775776ul, "its 128 bytes end beyond the file's")]
    public void Open_TensorsThatOverlapOrLieOutside_Throws(ulong offset, string reason)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("tensors.gguf");
        byte[] header = Bytes(w =>
        {
            Start(w, 2, 0);
            Tensor(w, "first", [32], 0, 0);
            Tensor(w, "second", [32], 0, offset);
        });
        File.WriteAllBytes(path, [.. header, .. new byte[(32 - header.Length % 32) % 32 + 256]]);

        string message = Assert.Throws<GgufException>(() => GgufFile.Open(path)).Message;

        Assert.StartsWith($"{path}: tensor 'second', offset ", message);
        Assert.Contains(reason, message);
    }

    [Fact]
    public void Parse_NameWithControlCharacters_IsCleanInTheMessage()
    {
        byte[] bytes = Bytes(w =>
        {
            Start(w, 0, 1);
            Text(w, "line\nend\u001b[2J" + new string('x', 5000));
            w.Write(13u);
        });

        string message = Assert.Throws<GgufException>(() => GgufHeader.Parse(bytes, "memory")).Message;

        Assert.DoesNotContain(message, char.IsControl);
        Assert.InRange(message.Length, 1, 500);
        Assert.EndsWith("13 is not a type of metadata.", message);
    }

    private static void AssertRefused(string reason, Action<BinaryWriter> write) =>
        Assert.Contains(reason, Assert.Throws<GgufException>(() => GgufHeader.Parse(Bytes(write), "memory")).Message);

    private static byte[] Bytes(Action<BinaryWriter> write)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        write(writer);
        return stream.ToArray();
    }

    private static void Start(BinaryWriter writer, ulong tensors, ulong pairs, uint version = 3)
    {
        writer.Write("GGUF"u8);
        writer.Write(version);
        writer.Write(tensors);
        writer.Write(pairs);
    }

    private static void StartPair(BinaryWriter writer, uint type)
    {
        Start(writer, 0, 1);
        Text(writer, "key");
        writer.Write(type);
    }

    private static void Tensor(BinaryWriter writer, string name, ulong[] dimensions, uint type, ulong offset)
    {
        Text(writer, name);
        writer.Write((uint)dimensions.Length);
        System.Array.ForEach(dimensions, writer.Write);
        writer.Write(type);
        writer.Write(offset);
    }

    private static void Text(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
