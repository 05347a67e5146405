using ServingGrid.Kernels;
using ServingGrid.Testing;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Engine.Tests.Golden;

/// <summary>
/// The forward pass in F32 on dequantised weights against llama.cpp's numbers for the same arithmetic, for everything in the reference
/// folder. With the cache in F32 the tolerances are those of its README.
/// </summary>
public sealed class ExactLogitsTests(ITestOutputHelper output)
{
    /// <summary>
    /// What exact rounding of K and V to F16 costs, at worst, in these models (logits of about 16). llama.cpp's own cache in F16 costs more:
    /// run on the same files with nothing else changed it differs from its F32 run by up to 0.048 and turns 3 of 948 greedy tokens.
    /// </summary>
    internal const double RoundingOfF16 = 0.035;

    private const string NoModel = "";

    private static readonly GoldenFolder Golden = GoldenFolder.Default;

    /// <summary>Exact runs, and llama.cpp's own runs of files that have none because their weights are F32 already.</summary>
    public static TheoryData<string, KvType> Runs => Select(slow: false);

    /// <summary>Minutes on the reference device.</summary>
    public static TheoryData<string, KvType> SlowRuns => Select(slow: true);

    [Theory]
    [MemberData(nameof(Runs))]
    public void Forward_OnReferenceDevice_EqualsLlamaCpp(string name, KvType kv) => Compare(name, kv, allCases: true);

    [Theory]
    [MemberData(nameof(SlowRuns))]
    public void Forward_OnReferenceDeviceOneCaseOfARealModel_EqualsLlamaCpp(string name, KvType kv) => Compare(name, kv, allCases: false);

    [Theory]
    [Trait("Category", "Nightly")]
    [MemberData(nameof(SlowRuns))]
    public void Forward_OnReferenceDeviceRealModel_EqualsLlamaCpp(string name, KvType kv)
    {
        Nightly.SkipUnlessEnabled();
        Compare(name, kv, allCases: true);
    }

    private void Compare(string name, KvType kv, bool allCases)
    {
        Assert.SkipWhen(name == NoModel, $"the golden folder has no outputs of {ModelFiles.SmolLM2Name}");
        GoldenLogits golden = Golden.ExactLogitsNames.Contains(name) ? Golden.ExactLogits(name) : Golden.Logits(name);
        string? path = Golden.FindModel(golden.Model);
        Assert.SkipWhen(path is null, ModelFiles.Absent(golden.Model));
        using var device = new ReferenceDevice();
        using var model = new GoldenModel(path, golden, device, kv);
        var comparison = new GoldenComparison();
        foreach (GoldenCase one in allCases ? golden.Cases : golden.Cases.OrderBy(one => one.Tokens.Length + one.Greedy.Length).Take(1))
        {
            comparison.Run(model, one, promptsOnly: false);
        }

        bool real = !Golden.ModelNames.Contains(Path.GetFileNameWithoutExtension(golden.Model));
        double tolerance = kv == KvType.F32 ? (real ? 5e-3 : 1e-3) : RoundingOfF16;
        output.WriteLine($"{name} {kv}: largest difference {comparison.Largest:G3} of {tolerance}");
        // Rounding of the cache may swap two tokens only where the reference itself hardly tells them apart.
        Assert.All(comparison.Departures, departure => Assert.True(kv == KvType.F16 && departure.Margin <= 2 * tolerance, departure.Where));
        Assert.True(comparison.Largest <= tolerance, $"{comparison.Largest} is above {tolerance}");
    }

    private static TheoryData<string, KvType> Select(bool slow)
    {
        var runs = new TheoryData<string, KvType>();
        foreach (string name in Golden.ExactLogitsNames.Union(Golden.LogitsNames))
        {
            bool isSlow = Path.GetFileNameWithoutExtension(ModelFiles.SmolLM2Name) == name;
            if (isSlow == slow)
            {
                runs.Add(name, KvType.F32);
                runs.Add(name, KvType.F16);
            }
        }

        if (runs.Count == 0)
        {
            // A theory needs a row: this one is skipped, with the reason.
            runs.Add(NoModel, KvType.F32);
        }

        return runs;
    }
}
