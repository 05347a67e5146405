using System.Runtime.InteropServices;
using ServingGrid.Model;

namespace ServingGrid.Kernels.Tests.Suite;

/// <content>What a cache holds for a number, and what number it is then: the same on every device.</content>
public abstract partial class DeviceSuite
{
    private const int NumbersOfARow = 128;
    private static readonly KvLayout OfNumbers = new(1, 2, 64);

    /// <summary>Numbers at F16's ends and halfway between its numbers, and what is none.</summary>
    private static float[] Edges
    {
        get
        {
            List<float> numbers =
            [
                0, 1, 65504, 65519.99f, 65520, 65536, 1e6f, float.MaxValue, float.PositiveInfinity, float.NaN, BitConverter.UInt32BitsToSingle(0x7FC12345),
                5.9604645e-8f, 2.9802322e-8f, 2.9802326e-8f, 1e-8f, float.Epsilon, 6.1035156e-5f, 6.097555e-5f, 6.1005354e-5f,
            ];
            foreach (int bits in (int[])[1, 2, 3, 0x3FE, 0x3FF, 0x400, 0x401, 0x3C00, 0x3C01, 0x7BFE, 0x7BFD, 0x5555])
            {
                float middle = ((float)BitConverter.UInt16BitsToHalf((ushort)bits) + (float)BitConverter.UInt16BitsToHalf((ushort)(bits + 1))) / 2;
                numbers.AddRange([middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle)]);
            }

            numbers.AddRange(numbers.Select(x => -x).ToArray());
            numbers.AddRange(new float[(NumbersOfARow - (numbers.Count % NumbersOfARow)) % NumbersOfARow]);
            return [.. numbers];
        }
    }

    [Theory]
    [InlineData(KvType.F16)]
    [InlineData(KvType.F32)]
    public void RopeAppend_AnyNumber_NearestOrNotANumber(KvType type)
    {
        KvLayout layout = OfNumbers with { Type = type };
        float[] numbers = Edges;
        int rows = numbers.Length / NumbersOfARow;
        using KvCache cache = Device.AllocateKvCache(layout, 2);
        using RopeTable rope = Device.LoadRope(new RopeParameters(RopeStyle.Halves, 64, new float[32]), 32);
        using Tensor query = Device.AllocateTensor(rows, NumbersOfARow);
        using Tensor key = Device.AllocateTensor(rows, NumbersOfARow);
        using Tensor value = Device.AllocateTensor(rows, NumbersOfARow);
        Device.Write(value, 0, rows, numbers);

        // At angle 0 RoPE leaves numbers as they are, but for the sign of a zero. What is none would spoil its partner.
        float[] keys = [.. numbers.Select(x => float.IsFinite(x) ? x : 0)];
        Device.Write(key, 0, rows, keys);
        Device.BeginStep(Rows(rows));
        Device.RopeAppend(query, key, value, new AttentionShape(2, 2, 64), rope, null, cache, 0);
        using DeviceEvent done = Device.Record();
        byte[] bytes = new byte[layout.BlockBytes];
        Device.Gather(cache, 0, 1, [0], bytes, done);
        for (int i = 0; i < numbers.Length; i++)
        {
            (int row, int head, int dimension) = (i / NumbersOfARow, i % NumbersOfARow / 64, i % 64);
            AssertHeld(numbers[i], layout.ValueOffset(head, row, dimension), "value");
            if (keys[i] != 0)
            {
                AssertHeld(keys[i], layout.KeyOffset(head, dimension, row), "key");
            }
        }

        void AssertHeld(float number, int element, string what)
        {
            if (type == KvType.F16)
            {
                ushort expected = Half.IsFinite((Half)number) ? BitConverter.HalfToUInt16Bits((Half)number) : KvLayout.HalfNotANumber;
                ushort actual = MemoryMarshal.Cast<byte, ushort>(bytes)[element];
                Assert.True(expected == actual, $"{what} {number:R} is {actual:X4}");
            }
            else
            {
                float actual = MemoryMarshal.Cast<byte, float>(bytes)[element];
                Assert.True(actual.Equals(float.IsFinite(number) ? number : float.NaN), $"{what} {number:R} is {actual:R}");
            }
        }
    }

    /// <summary>Queries far beyond F16's numbers, and keys so small that the scores are ordinary ones.</summary>
    [Theory]
    [InlineData(KvType.F16, 1)]
    [InlineData(KvType.F16, 48)]
    [InlineData(KvType.F32, 48)]
    public void Attention_QueriesOfAMillion_MatchReference(KvType type, int rows)
    {
        KvLayout layout = OfNumbers with { Type = type };
        float[] Run(Device device)
        {
            using KvCache cache = device.AllocateKvCache(layout, 2);
            byte[] bytes = new byte[2 * layout.BlockBytes];
            float[] keys = Numbers.Normal(31, 2 * 64 * 64);
            float[] values = Numbers.Normal(32, keys.Length);
            for (int i = 0; i < keys.Length; i++)
            {
                (int block, int head, int slot, int dimension) = (i / 4096, i / 2048 % 2, i / 64 % 32, i % 64);
                Span<byte> data = bytes.AsSpan(block * layout.BlockBytes, layout.BlockBytes);
                Put(data, layout.KeyOffset(head, dimension, slot), keys[i] * 1e-6f);
                Put(data, layout.ValueOffset(head, slot, dimension), values[i]);
            }

            device.Scatter(cache, 0, 1, [0, 1], bytes);
            using Tensor query = device.AllocateTensor(rows, NumbersOfARow);
            using Tensor output = device.AllocateTensor(rows, NumbersOfARow);
            device.Write(query, 0, rows, [.. Numbers.Normal(33, rows * NumbersOfARow).Select(x => x * 1e6f)]);
            var batch = new StepBatch(rows, 1);
            batch.AddSequence(new int[rows], 63 - rows, [0, 1], 32, 0);
            device.BeginStep(batch);
            device.Attention(query, cache, 0, new AttentionShape(2, 2, 64), output);
            return ReadAll(device, output, rows);
        }

        AssertClose(OnBoth(Run), ArithmeticTolerance + 1e-3, $"attention of large queries, {type}");

        void Put(Span<byte> bytes, int element, float number)
        {
            if (type == KvType.F16)
            {
                MemoryMarshal.Cast<byte, Half>(bytes)[element] = (Half)number;
            }
            else
            {
                MemoryMarshal.Cast<byte, float>(bytes)[element] = number;
            }
        }
    }

    /// <summary>Attention over one position is that position's value, whatever an F16 says: also infinities, which no device writes but another program's cache may hold.</summary>
    [Fact]
    public void Attention_EveryHalfAsTheOnlyValue_IsThatValue()
    {
        ushort[] halves = SmallShapesOnly
            ? [0, 1, 2, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0x7C01, 0x7E00, 0x7FFF, 0x8000, 0x8001, 0x83FF, 0xFBFF, 0xFC00, 0xFC01, 0xFE00, 0xFFFF, .. new ushort[NumbersOfARow - 19]]
            : [.. Enumerable.Range(0, ushort.MaxValue + 1).Select(x => (ushort)x)];
        int blocks = halves.Length / NumbersOfARow;
        using KvCache cache = Device.AllocateKvCache(OfNumbers, blocks);
        byte[] bytes = new byte[OfNumbers.BlockBytes];
        for (int block = 0; block < blocks; block++)
        {
            for (int i = 0; i < NumbersOfARow; i++)
            {
                MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan())[OfNumbers.ValueOffset(i / 64, 0, i % 64)] = halves[(block * NumbersOfARow) + i];
            }

            Device.Scatter(cache, 0, 1, [block], bytes);
        }

        using Tensor query = Device.AllocateTensor(blocks, NumbersOfARow);
        using Tensor output = Device.AllocateTensor(blocks, NumbersOfARow);
        var batch = new StepBatch(blocks, blocks);
        for (int block = 0; block < blocks; block++)
        {
            batch.AddSequence([0], 0, [block], 32, 0);
        }

        Device.BeginStep(batch);
        Device.Attention(query, cache, 0, new AttentionShape(2, 2, 64), output);
        float[] expected = [.. halves.Select(x => (float)BitConverter.UInt16BitsToHalf(x))];
        Assert.Equal(expected, ReadAll(Device, output, blocks));
    }
}
