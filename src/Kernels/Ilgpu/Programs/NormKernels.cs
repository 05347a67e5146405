using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>output[i] = rmsnorm(input[row of i]) ⊙ norm.</summary>
internal struct NormArguments
{
    /// <summary>[rows, Stride] quads.</summary>
    public ArrayView<Quad> Input;

    /// <summary>[Stride] quads, zero beyond the columns.</summary>
    public ArrayView<Quad> Norm;

    /// <summary>[rows, Stride] quads.</summary>
    public ArrayView<Quad> Output;

    /// <summary>Input row of each output row, or one unused element.</summary>
    public ArrayView<int> RowIndices;

    public int Columns;

    public int Stride;

    public int Indexed;

    public float Epsilon;
}

internal static class NormKernels
{
    /// <summary>Most threads in a group of <see cref="RmsNorm{TPlatform}"/>.</summary>
    public const int MaxThreads = 256;

    /// <summary>
    /// Group (threads: a multiple of 32 up to 256, the same for every launch on a device), grid (output rows). Thread t adds the
    /// squares of quads t, t + threads, …; the first 32 threads add every 32nd of those sums; <see cref="Lanes.TreeSum"/> the rest.
    /// </summary>
    public static void RmsNorm<TPlatform>(NormArguments arguments)
        where TPlatform : struct, IPlatform
    {
        ArrayView<float> partials = SharedMemory.Allocate<float>(MaxThreads);
        ArrayView<float> lanes = SharedMemory.Allocate<float>(Lanes.Count);
        ArrayView<Quad> input = arguments.Input.AsAligned(16);
        ArrayView<Quad> norm = arguments.Norm.AsAligned(16);
        ArrayView<Quad> output = arguments.Output.AsAligned(16);
        int row = arguments.Indexed != 0 ? arguments.RowIndices[Grid.IdxX] : Grid.IdxX;
        int first = row * arguments.Stride;
        float sum = 0;
        for (int i = Group.IdxX; i < arguments.Stride; i += Group.DimX)
        {
            Quad x = input[first + i];
            sum = Quad.Dot<TPlatform>(x, x, sum);
        }

        partials[Group.IdxX] = sum;
        Group.Barrier();
        if (Group.IdxX < Lanes.Count)
        {
            float lane = 0;
            for (int i = Group.IdxX; i < Group.DimX; i += Lanes.Count)
            {
                lane += partials[i];
            }

            lanes[Group.IdxX] = lane;
        }

        Group.Barrier();

        // An infinite sum would make zeros of finite numbers, which nobody could tell from a result.
        float squares = Lanes.TreeSum(lanes, 0);
        Quad scale = Quad.Splat(Finite.OrNot(squares, 1f / XMath.Sqrt(squares / arguments.Columns + arguments.Epsilon)));
        for (int i = Group.IdxX; i < arguments.Stride; i += Group.DimX)
        {
            output[Grid.IdxX * arguments.Stride + i] = input[first + i] * scale * norm[i];
        }
    }
}
