using System.Security.Cryptography;
using System.Text;

namespace ServingGrid.Kernels;

/// <summary>
/// Names of arithmetic. Two devices whose names are equal compute the same bits from the same model and cache; what one has computed,
/// another of its class may continue. docs/adr/0010-numerics-classes.md says what is in a name and what is assumed. Pure functions,
/// thread-safe.
/// </summary>
public static class NumericsClass
{
    /// <summary>"cpu-v1-3fa94c01".</summary>
    /// <param name="kind">What computes, for people: "cpu", "cuda-sm90".</param>
    /// <param name="version">
    /// Of the kernels: raised with every change after which some result has other bits, so that silos of two builds do not pass for one
    /// kind.
    /// </param>
    /// <param name="basis">Whatever else bits depend on: a hash of it ends the name.</param>
    public static string Name(string kind, int version, params ReadOnlySpan<string> basis)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', basis)));
        return $"{kind}-v{version}-{Convert.ToHexStringLower(hash.AsSpan(0, 4))}";
    }
}
