using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Golden;

/// <summary>
/// What a device's quantised arithmetic costs: the mean difference to exact arithmetic, at the prompt positions, next to what llama.cpp's own
/// quantised run costs on the same prompts.
/// </summary>
public sealed class QuantisedLogitsTests(ITestOutputHelper output)
{
    private static readonly GoldenFolder Golden = GoldenFolder.Default;

    // What a KV cache of 8 bits adds at most: as much as activations of 8 bits do in models without other rounding. llama.cpp's own runs have a cache in F32.
    private const double RoundingOfQ8 = 0.1;

    public static TheoryData<string, KvType> Runs
    {
        get
        {
            var runs = new TheoryData<string, KvType>();
            foreach (string name in Golden.ExactLogitsNames)
            {
                runs.Add(name, KvType.F32);
                runs.Add(name, KvType.Q8);
            }

            return runs;
        }
    }

    [Theory]
    [MemberData(nameof(Runs))]
    public void Forward_OnCpuDevice_IsAsCloseToExactAsLlamaCpp(string name, KvType kv)
    {
        GoldenLogits exact = Golden.ExactLogits(name);
        string? path = Golden.FindModel(exact.Model);
        Assert.SkipWhen(path is null, ModelFiles.Absent(exact.Model));
        Assert.SkipUnless(Golden.LogitsNames.Contains(name), $"llama.cpp's own run of {name} is not in {Golden.Path}");
        using var device = CpuDevice.Create(new CpuDeviceOptions());
        using var model = new GoldenModel(path, exact, device, kv);
        var comparison = new GoldenComparison();
        foreach (GoldenCase one in exact.Cases)
        {
            comparison.Run(model, one, promptsOnly: true);
        }

        double theirs = MeanDifference(Golden.Logits(name), exact);
        double allowed = (1.1 * theirs) + (kv == KvType.Q8 ? RoundingOfQ8 : 0);
        output.WriteLine($"{name} {kv}: mean difference {comparison.MeanOfPrompts:G3}, llama.cpp's {theirs:G3}, largest {comparison.Largest:G3}");
        Assert.True(comparison.MeanOfPrompts <= allowed, $"{comparison.MeanOfPrompts} is above {allowed}");
    }

    // Over the exact run's top ten, as far as the other run's top ten names them.
    private static double MeanDifference(GoldenLogits run, GoldenLogits exact)
    {
        double sum = 0;
        int count = 0;
        foreach ((GoldenCase own, GoldenCase reference) in run.Cases.Zip(exact.Cases))
        {
            foreach ((GoldenPosition position, GoldenPosition expected) in own.PromptPositions.Zip(reference.PromptPositions))
            {
                for (int rank = 0; rank < expected.Ids.Length; rank++)
                {
                    int at = Array.IndexOf(position.Ids, expected.Ids[rank]);
                    if (at >= 0)
                    {
                        sum += Math.Abs((double)position.Logits[at] - expected.Logits[rank]);
                        count++;
                    }
                }
            }
        }

        return sum / count;
    }
}
