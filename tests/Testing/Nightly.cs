using Xunit;

namespace ServingGrid.Testing;

/// <summary>Tests that take minutes: they run with <c>SERVINGGRID_NIGHTLY=1</c> and are reported as skipped otherwise.</summary>
public static class Nightly
{
    private const string Variable = "SERVINGGRID_NIGHTLY";

    /// <summary>True when nightly tests were asked for.</summary>
    public static bool Enabled => Environment.GetEnvironmentVariable(Variable) == "1";

    /// <summary>First line of a nightly test.</summary>
    public static void SkipUnlessEnabled() => Assert.SkipUnless(Enabled, $"takes minutes (set {Variable}=1)");
}
