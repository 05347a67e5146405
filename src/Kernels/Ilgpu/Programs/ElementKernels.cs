using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>Rows of an embedding table by token.</summary>
internal struct EmbedArguments
{
    /// <summary>[vocabulary, RowWords] 16-bit words.</summary>
    public ArrayView<ushort> Weights;

    /// <summary>[rows]</summary>
    public ArrayView<int> Tokens;

    /// <summary>[rows, Stride] quads.</summary>
    public ArrayView<Quad> Output;

    public int RowWords;

    public int Units;

    public int Stride;
}

/// <summary>gate = silu(gate) ⊙ up.</summary>
internal struct SwiGluArguments
{
    public ArrayView<Quad> Gate;

    public ArrayView<Quad> Up;

    public int Quads;
}

internal static class ElementKernels
{
    /// <summary>output[r] = dequantised weights[tokens[r]]. Group (threads), grid (rows).</summary>
    public static void Embed<TPlatform, TFormat>(EmbedArguments arguments)
        where TPlatform : struct, IPlatform
        where TFormat : struct, IBlockFormat
    {
        ArrayView<Quad> output = arguments.Output.AsAligned(16);
        long row = (long)arguments.Tokens[Grid.IdxX] * arguments.RowWords;
        for (int unit = Group.IdxX; unit < arguments.Units; unit += Group.DimX)
        {
            Octet weights = TFormat.Load<TPlatform>(arguments.Weights, row, unit);
            int quad = Grid.IdxX * arguments.Stride + (TFormat.FirstColumn(unit) >> 2);
            output[quad] = weights.First;
            output[quad + (TFormat.RunDistance >> 2)] = weights.Second;
        }
    }

    /// <summary>Group (threads), grid (any): one stride loop over all quads.</summary>
    public static void SwiGlu<TPlatform>(SwiGluArguments arguments)
        where TPlatform : struct, IPlatform
    {
        ArrayView<Quad> g = arguments.Gate.AsAligned(16);
        ArrayView<Quad> u = arguments.Up.AsAligned(16);
        for (int i = Grid.IdxX * Group.DimX + Group.IdxX; i < arguments.Quads; i += Grid.DimX * Group.DimX)
        {
            Quad x = g[i];
            g[i] = new Quad(Silu(x.X), Silu(x.Y), Silu(x.Z), Silu(x.W)) * u[i];
        }
    }

    private static float Silu(float x) => x / (1f + XMath.Exp(-x));
}
