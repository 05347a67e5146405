using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Suite;

/// <summary>Seeded numbers for the suite, and the error measure.</summary>
internal static class Numbers
{
    /// <summary>Normally distributed values; the same for the same seed.</summary>
    public static float[] Normal(int seed, int count, float scale = 1f)
    {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = (float)(radius * Math.Cos(2 * Math.PI * random.NextDouble())) * scale;
        }

        return values;
    }

    /// <summary>
    /// A matrix of random valid blocks of any type: random quants, with half-precision scales of the size that weights have.
    /// </summary>
    public static TensorData Matrix(GgmlType type, int rows, int columns, int seed)
    {
        if (type == GgmlType.F32)
        {
            return TensorData.FromFloats("test", rows, columns, Normal(seed, rows * columns, 0.05f));
        }

        var random = new Random(seed);
        byte[] bytes = new byte[rows * type.RowBytes(columns)];
        random.NextBytes(bytes);
        for (int block = 0; block < bytes.Length; block += type.BlockBytes())
        {
            Span<byte> b = bytes.AsSpan(block, type.BlockBytes());
            switch (type)
            {
                case GgmlType.F16:
                    BitConverter.TryWriteBytes(b, (Half)((random.NextDouble() - 0.5) * 0.2));
                    break;
                case GgmlType.BF16:
                    BitConverter.TryWriteBytes(b, (ushort)(BitConverter.SingleToUInt32Bits((float)((random.NextDouble() - 0.5) * 0.2)) >> 16));
                    break;
                case GgmlType.Q4_1 or GgmlType.Q5_1 or GgmlType.Q4_K or GgmlType.Q5_K:
                    BitConverter.TryWriteBytes(b, (Half)(0.001 + random.NextDouble() * 0.01));
                    BitConverter.TryWriteBytes(b[2..], (Half)((random.NextDouble() - 0.5) * 0.01));
                    break;
                case GgmlType.Q6_K:
                    BitConverter.TryWriteBytes(b[208..], (Half)((random.NextDouble() - 0.5) * 0.001));
                    break;
                default:
                    BitConverter.TryWriteBytes(b, (Half)((random.NextDouble() - 0.5) * 0.01));
                    break;
            }
        }

        return TensorData.FromBytes("test", type, rows, columns, bytes);
    }

    /// <summary>‖actual − expected‖ / ‖expected‖ (NaN or infinity in <paramref name="actual"/> gives NaN or infinity).</summary>
    public static double RelativeError(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        double error = 0, norm = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            error += ((double)actual[i] - expected[i]) * ((double)actual[i] - expected[i]);
            norm += (double)expected[i] * expected[i];
        }

        return Math.Sqrt(error / Math.Max(norm, 1e-30));
    }
}
