using ILGPU;
using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>Matrix products with quantised weights, for few rows (decode) and for many (prefill).</summary>
/// <remarks>
/// <b>One order of summation.</b> For each output, lane l of 32 adds its units l, l + 32, … in ascending order and each unit's
/// eight products in the order of its two runs; then <see cref="Lanes.TreeSum"/> adds the 32 partial sums. Both forms do exactly
/// this, so that a row's result is the same to the bit whichever form and tile it falls into.
/// </remarks>
internal static class MatrixKernels
{
    /// <summary>Rows of the input that a tile covers.</summary>
    public const int TileRows = 8;

    /// <summary>Output features that a warp computes at a time in the tiled form.</summary>
    public const int TileOutputs = 4;

    /// <summary>Most outputs that a group of the vector form computes: warps · OutputsPerWarp.</summary>
    public const int VectorOutputs = 32;

    /// <summary>Most warps in a group of the tiled form.</summary>
    public const int TileWarps = 4;

    // One more than 32, so that the lanes that read a column of partial sums hit different banks.
    private const int PartialStride = Lanes.Count + 1;

    // Quads of one input row that 32 units cover: 256 columns.
    private const int StepQuads = 64;

    /// <summary>Floats of dynamic shared memory that a group of <paramref name="warps"/> needs.</summary>
    public static int PartialFloats(int warps, int outputsPerWarp) => warps * outputsPerWarp * PartialStride;

    /// <summary>
    /// Matrix times one vector. Group (32, warps), grid (⌈WeightRows / (warps · OutputsPerWarp)⌉, InputRows): a warp streams two
    /// weight rows at a time.
    /// </summary>
    public static void Vector<TPlatform, TFormat>(MatrixArguments arguments)
        where TPlatform : struct, IPlatform
        where TFormat : struct, IBlockFormat
    {
        ArrayView<float> partials = TPlatform.GroupMemory<float>(VectorOutputs * PartialStride);
        ArrayView<Quad> input = arguments.Input.AsAligned(16);
        int lane = Group.IdxX;
        int firstPartial = Group.IdxY * arguments.OutputsPerWarp * PartialStride;
        int firstOutput = (Grid.IdxX * Group.DimY + Group.IdxY) * arguments.OutputsPerWarp;
        int inputRow = Grid.IdxY * arguments.InputStride;
        for (int i = 0; i < arguments.OutputsPerWarp; i += 2)
        {
            // Rows beyond the last are computed from the last and dropped: warps stay together until the barrier.
            int last = arguments.WeightRows - 1;
            long row0 = (long)IntrinsicMath.Min(firstOutput + i, last) * arguments.RowWords;
            long row1 = (long)IntrinsicMath.Min(firstOutput + i + 1, last) * arguments.RowWords;
            float sum0 = 0, sum1 = 0;
            for (int unit = lane; unit < arguments.Units; unit += Lanes.Count)
            {
                int quad = inputRow + (TFormat.FirstColumn(unit) >> 2);
                Quad x0 = input[quad];
                Quad x1 = input[quad + (TFormat.RunDistance >> 2)];
                Octet w0 = TFormat.Load<TPlatform>(arguments.Weights, row0, unit);
                Octet w1 = TFormat.Load<TPlatform>(arguments.Weights, row1, unit);
                sum0 = Quad.Dot<TPlatform>(w0.Second, x1, Quad.Dot<TPlatform>(w0.First, x0, sum0));
                sum1 = Quad.Dot<TPlatform>(w1.Second, x1, Quad.Dot<TPlatform>(w1.First, x0, sum1));
            }

            partials[firstPartial + i * PartialStride + lane] = sum0;
            partials[firstPartial + (i + 1) * PartialStride + lane] = sum1;
        }

        Group.Barrier();
        int output = firstOutput + lane;
        if (lane < arguments.OutputsPerWarp && output < arguments.WeightRows)
        {
            Finish(arguments, Grid.IdxY, output, Lanes.TreeSum(partials, firstPartial + lane * PartialStride));
        }
    }

    /// <summary>
    /// Matrix times eight rows at a time. Group (32, warps), grid (⌈WeightRows / (4 · warps)⌉, ⌈InputRows / 8⌉): the group stages
    /// 256 columns of the eight input rows in shared memory; each weight is dequantised once for all of them.
    /// </summary>
    public static void Tile<TPlatform, TFormat>(MatrixArguments arguments)
        where TPlatform : struct, IPlatform
        where TFormat : struct, IBlockFormat
    {
        ArrayView<Quad> tile = SharedMemory.Allocate<Quad>(TileRows * StepQuads).AsAligned(16);
        ArrayView<float> partials = TPlatform.GroupMemory<float>(TileWarps * Lanes.Count * PartialStride);
        ArrayView<Quad> input = arguments.Input.AsAligned(16);
        int lane = Group.IdxX;
        int thread = Group.IdxY * Lanes.Count + lane;
        int firstOutput = (Grid.IdxX * Group.DimY + Group.IdxY) * TileOutputs;
        int firstRow = Grid.IdxY * TileRows;
        int last = arguments.WeightRows - 1;
        long row0 = (long)IntrinsicMath.Min(firstOutput, last) * arguments.RowWords;
        long row1 = (long)IntrinsicMath.Min(firstOutput + 1, last) * arguments.RowWords;
        long row2 = (long)IntrinsicMath.Min(firstOutput + 2, last) * arguments.RowWords;
        long row3 = (long)IntrinsicMath.Min(firstOutput + 3, last) * arguments.RowWords;

        // One sum for each of the four outputs, for each input row.
        Quad sum0 = default, sum1 = default, sum2 = default, sum3 = default, sum4 = default, sum5 = default, sum6 = default, sum7 = default;
        for (int step = 0; step < arguments.Units; step += Lanes.Count)
        {
            Group.Barrier();
            for (int i = thread; i < TileRows * StepQuads; i += Group.DimX * Group.DimY)
            {
                int row = IntrinsicMath.Min(firstRow + i / StepQuads, arguments.InputRows - 1);
                int column = step * 2 + i % StepQuads;
                tile[i] = column < arguments.Units * 2 ? input[row * arguments.InputStride + column] : default;
            }

            Group.Barrier();
            int unit = step + lane;
            if (unit < arguments.Units)
            {
                Octet w0 = TFormat.Load<TPlatform>(arguments.Weights, row0, unit);
                Octet w1 = TFormat.Load<TPlatform>(arguments.Weights, row1, unit);
                Octet w2 = TFormat.Load<TPlatform>(arguments.Weights, row2, unit);
                Octet w3 = TFormat.Load<TPlatform>(arguments.Weights, row3, unit);
                int first = TFormat.FirstColumn(lane) >> 2;
                int second = first + (TFormat.RunDistance >> 2);
                sum0 = Add<TPlatform>(w0, w1, w2, w3, tile[first], tile[second], sum0);
                sum1 = Add<TPlatform>(w0, w1, w2, w3, tile[first + StepQuads], tile[second + StepQuads], sum1);
                sum2 = Add<TPlatform>(w0, w1, w2, w3, tile[first + 2 * StepQuads], tile[second + 2 * StepQuads], sum2);
                sum3 = Add<TPlatform>(w0, w1, w2, w3, tile[first + 3 * StepQuads], tile[second + 3 * StepQuads], sum3);
                sum4 = Add<TPlatform>(w0, w1, w2, w3, tile[first + 4 * StepQuads], tile[second + 4 * StepQuads], sum4);
                sum5 = Add<TPlatform>(w0, w1, w2, w3, tile[first + 5 * StepQuads], tile[second + 5 * StepQuads], sum5);
                sum6 = Add<TPlatform>(w0, w1, w2, w3, tile[first + 6 * StepQuads], tile[second + 6 * StepQuads], sum6);
                sum7 = Add<TPlatform>(w0, w1, w2, w3, tile[first + 7 * StepQuads], tile[second + 7 * StepQuads], sum7);
            }
        }

        int firstPartial = Group.IdxY * Lanes.Count * PartialStride;
        Store(partials, firstPartial + lane, sum0);
        Store(partials, firstPartial + lane + 4 * PartialStride, sum1);
        Store(partials, firstPartial + lane + 8 * PartialStride, sum2);
        Store(partials, firstPartial + lane + 12 * PartialStride, sum3);
        Store(partials, firstPartial + lane + 16 * PartialStride, sum4);
        Store(partials, firstPartial + lane + 20 * PartialStride, sum5);
        Store(partials, firstPartial + lane + 24 * PartialStride, sum6);
        Store(partials, firstPartial + lane + 28 * PartialStride, sum7);
        Group.Barrier();
        int inputRow = firstRow + lane / TileOutputs;
        int output = firstOutput + lane % TileOutputs;
        if (inputRow < arguments.InputRows && output < arguments.WeightRows)
        {
            Finish(arguments, inputRow, output, Lanes.TreeSum(partials, firstPartial + lane * PartialStride));
        }
    }

    private static Quad Add<TPlatform>(Octet w0, Octet w1, Octet w2, Octet w3, Quad x0, Quad x1, Quad sum)
        where TPlatform : struct, IPlatform =>
        new(
            Quad.Dot<TPlatform>(w0.Second, x1, Quad.Dot<TPlatform>(w0.First, x0, sum.X)),
            Quad.Dot<TPlatform>(w1.Second, x1, Quad.Dot<TPlatform>(w1.First, x0, sum.Y)),
            Quad.Dot<TPlatform>(w2.Second, x1, Quad.Dot<TPlatform>(w2.First, x0, sum.Z)),
            Quad.Dot<TPlatform>(w3.Second, x1, Quad.Dot<TPlatform>(w3.First, x0, sum.W)));

    private static void Store(ArrayView<float> partials, int first, Quad sums)
    {
        partials[first] = sums.X;
        partials[first + PartialStride] = sums.Y;
        partials[first + 2 * PartialStride] = sums.Z;
        partials[first + 3 * PartialStride] = sums.W;
    }

    private static void Finish(MatrixArguments arguments, int row, int output, float sum)
    {
        if (arguments.HasBias != 0)
        {
            sum += arguments.Bias[output];
        }

        long index = (long)row * arguments.OutputStride + output;
        if (arguments.Accumulate != 0)
        {
            sum += arguments.Output[index];
        }

        arguments.Output[index] = sum;
    }
}
