using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Suite;

public abstract partial class DeviceSuite
{
    /// <summary>What an operation computes for a row must not depend on how many rows there are, to the bit.</summary>
    [Theory]
    [MemberData(nameof(AllTypes))]
    public void Products_RowAloneAndInCompany_SameBits(GgmlType type)
    {
        int unit = Math.Max(type.BlockElements(), 32);
        int total = SmallShapesOnly ? 9 : 37;
        int columns = SmallShapesOnly ? unit : unit * 2;
        using Matrix weights = Device.LoadMatrix(Numbers.Matrix(type, columns, columns, 24));
        using Matrix other = Device.LoadMatrix(Numbers.Matrix(type, columns, columns, 25));
        using Vector norm = Device.LoadVector(TensorData.FromFloats("norm", 1, columns, Numbers.Normal(26, columns)));
        float[] inputs = Numbers.Normal(27, total * columns);
        float[] all = Run(0, total);
        foreach ((int first, int count) in (ReadOnlySpan<(int, int)>)[(0, 1), (total - 1, 1), (3, 2), (1, 4), (0, 5), (2, 7), (1, 8)])
        {
            Assert.Equal(all.AsSpan(first * columns * 3, count * columns * 3).ToArray(), Run(first, count));
        }

        float[] Run(int first, int count)
        {
            using Tensor input = Device.AllocateTensor(count, columns);
            using Tensor projected = Device.AllocateTensor(count, columns);
            using Tensor residual = Device.AllocateTensor(count, columns);
            using Tensor logits = Device.AllocateTensor(count, columns);
            Device.Write(input, 0, count, inputs.AsSpan(first * columns, count * columns));
            Device.Write(residual, 0, count, inputs.AsSpan(first * columns, count * columns));
            Device.BeginStep(Rows(count));
            Device.NormedProjection(input, norm, Epsilon, [new Projection(weights, null, projected)]);
            Device.ResidualProjection(projected, other, null, residual);
            Device.GatedFeedForward(residual, norm, Epsilon, weights, other, weights);
            Device.Logits(residual, norm, Epsilon, other, logits);
            float[] a = ReadAll(Device, projected, count), b = ReadAll(Device, residual, count), c = ReadAll(Device, logits, count);
            float[] joined = new float[3 * count * columns];
            for (int r = 0; r < count; r++)
            {
                a.AsSpan(r * columns, columns).CopyTo(joined.AsSpan(r * 3 * columns));
                b.AsSpan(r * columns, columns).CopyTo(joined.AsSpan((r * 3 + 1) * columns));
                c.AsSpan(r * columns, columns).CopyTo(joined.AsSpan((r * 3 + 2) * columns));
            }

            return joined;
        }
    }
}
