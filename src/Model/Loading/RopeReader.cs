using ServingGrid.Model.Gguf;

namespace ServingGrid.Model.Loading;

/// <summary>
/// The RoPE of a model file with its scaling folded into one inverse frequency per pair, as llama.cpp computes it
/// (llama-context.cpp, <c>rope_yarn</c> in ggml-cpu/ops.cpp) but in double precision:
/// "linear" divides every frequency by the factor; "yarn" (Peng et al., arXiv 2309.00071) only the low ones, with a ramp between,
/// and scales sine and cosine; Llama 3's kind comes as a tensor of divisors; "longrope" as two, for short and long contexts.
/// </summary>
internal static class RopeReader
{
    private const string Llama3Factors = "rope_freqs.weight";
    private const string LongFactors = "rope_factors_long.weight";
    private const string ShortFactors = "rope_factors_short.weight";

    /// <summary>Tensors that are read here and by nobody else.</summary>
    public static readonly IReadOnlyList<string> TensorNames = [Llama3Factors, LongFactors, ShortFactors];

    public static RopeParameters Read(GgufFile file, ArchitectureKeys keys, int headSize, int contextLength)
    {
        int dimensions = keys.Integer("rope.dimension_count", int.MaxValue, headSize);
        if (dimensions != headSize)
        {
            throw keys.Error("rope.dimension_count", $"rotating {dimensions} of a head's {headSize} elements is not supported");
        }

        string scaling = keys.Text("rope.scaling.type") ?? "linear";
        int originalContext = keys.Integer("rope.scaling.original_context_length", int.MaxValue, contextLength);
        double theta = keys.Number("rope.freq_base", 1.001, 1e12, 10_000);
        double factor = scaling == "none" ? 1 : Factor(keys);
        double magnitude = keys.Number("rope.scaling.attn_factor", 1e-3, 1e3, 1);
        var frequencies = new double[dimensions / 2];
        for (int pair = 0; pair < frequencies.Length; pair++)
        {
            frequencies[pair] = Math.Pow(theta, -2.0 * pair / dimensions);
        }

        float[]? divisors = Divisors(file, scaling, frequencies.Length, contextLength > originalContext);
        for (int pair = 0; divisors is not null && pair < frequencies.Length; pair++)
        {
            frequencies[pair] /= divisors[pair];
        }

        switch (scaling)
        {
            case "none" or "linear" or "longrope":
                frequencies = Array.ConvertAll(frequencies, frequency => frequency / factor);
                break;
            case "yarn":
                magnitude *= Yarn(keys, frequencies, theta, factor, originalContext);
                break;
            default:
                throw keys.Error("rope.scaling.type", "this kind of RoPE scaling is not supported (none, linear, yarn and longrope are)");
        }

        RopeStyle style = keys.Architecture == "llama" ? RopeStyle.Interleaved : RopeStyle.Halves;
        return new RopeParameters(style, dimensions, [.. frequencies.Select(f => (float)f)], (float)magnitude);
    }

    private static double Factor(ArchitectureKeys keys)
    {
        // Files from before the scaling keys have the linear factor under a name of its own. Zero stands for none.
        string suffix = keys.Contains("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
        double factor = keys.Number(suffix, 0, 1e6, 1);
        return factor == 0 ? 1 : factor;
    }

    private static float[]? Divisors(GgufFile file, string scaling, int pairs, bool longContext)
    {
        // llama.cpp picks by the context that a run asks for; here the longest one that the model was made for decides.
        string name = scaling == "longrope" ? (longContext ? LongFactors : ShortFactors) : Llama3Factors;
        if (!file.Tensors.TryGetValue(name, out TensorData? tensor))
        {
            return null;
        }

        if (tensor.Rows != 1 || tensor.Columns != pairs)
        {
            throw file.Error(tensor, $"{tensor.Rows}×{tensor.Columns} factors are not one for each of {pairs} pairs");
        }

        var divisors = new float[pairs];
        Dequantizer.DequantizeRow(tensor.Type, tensor.Row(0), divisors);
        return Array.TrueForAll(divisors, divisor => divisor > 1e-6f && divisor < 1e9f)
            ? divisors
            : throw file.Error(tensor, "a factor is not a positive number of sensible size");
    }

    /// <summary>Blends interpolated and original frequencies; returns the magnitude.</summary>
    private static double Yarn(ArchitectureKeys keys, double[] frequencies, double theta, double factor, int originalContext)
    {
        double extrapolation = keys.Number("rope.scaling.yarn_ext_factor", 0, 1, 1);
        double fast = keys.Number("rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32);
        double slow = keys.Number("rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1);
        int dimensions = frequencies.Length * 2;

        // The pair that turns `rotations` times within the original context.
        double Pair(double rotations) => dimensions * Math.Log(originalContext / (rotations * 2 * Math.PI)) / (2 * Math.Log(theta));

        double low = Math.Max(0, Math.Floor(Pair(fast)));
        double high = Math.Min(dimensions - 1, Math.Ceiling(Pair(slow)));
        for (int pair = 0; pair < frequencies.Length; pair++)
        {
            double ramp = Math.Clamp((pair - low) / Math.Max(0.001, high - low), 0, 1);
            double keep = (1 - ramp) * extrapolation;
            frequencies[pair] = frequencies[pair] / factor * (1 - keep) + frequencies[pair] * keep;
        }

        return extrapolation > 0 && factor > 1 ? 1 + 0.1 * Math.Log(factor) : 1;
    }
}
