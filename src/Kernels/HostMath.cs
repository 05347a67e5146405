using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace ServingGrid.Kernels;

/// <summary>
/// What this process gets from the machine's C library and its own compiler. Tables of rotations, log-probabilities and draws go through
/// functions whose last bit is the library's own business, and it may choose among several forms by the processor. Thread-safe.
/// </summary>
internal static class HostMath
{
    private const int Samples = 4096;

    private static readonly Lazy<string> Measured = new(Measure);

    /// <summary>The processor's architecture and a hash of sampled results: equal where both are.</summary>
    public static string Print => Measured.Value;

    private static string Measure()
    {
        double[] results = new double[6 * Samples];
        for (int i = 0; i < Samples; i++)
        {
            // Every size of angle that a position of up to a million has, and exponents as softmax and draws have them.
            double angle = i * i * 0.0625 * Math.Pow(10_000, -(i % 64) / 64.0);
            double exponent = -i / 97.0;
            Span<double> sample = results.AsSpan(6 * i, 6);
            (sample[0], sample[1]) = Math.SinCos(angle);
            sample[2] = Math.Pow(500_000, -2.0 * (i % 128) / 128);
            sample[3] = Math.Exp(exponent);
            sample[4] = Math.Log(1 + (i / 31.0));
            sample[5] = MathF.Exp((float)exponent);
        }

        string hash = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(results.AsSpan())));
        return string.Create(CultureInfo.InvariantCulture, $"{RuntimeInformation.ProcessArchitecture} {hash}");
    }
}
