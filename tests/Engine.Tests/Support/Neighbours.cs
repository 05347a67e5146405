namespace ServingGrid.Engine.Tests.Support;

/// <summary>Streams of every kind beside a fault: none of them may fail, and each must have the tokens that it has alone.</summary>
internal sealed class Neighbours
{
    private static readonly SequenceRequest[] Requests =
    [
        EngineRig.Request(EngineRig.Prompt(5, 101), 30),
        EngineRig.Request(EngineRig.Prompt(40, 102), 20, new SamplingParameters { TopK = 20, Seed = 1 }),
        EngineRig.Request(EngineRig.Prompt(17, 103), 25, new SamplingParameters { TopP = 0.9f, FrequencyPenalty = 0.5f, Seed = 2 }),
        EngineRig.Request(EngineRig.Prompt(60, 104), 15, new SamplingParameters { Temperature = 0, LogProbabilities = 3 }),
        EngineRig.Request([.. EngineRig.Prompt(24, 105), .. EngineRig.Prompt(9, 106)], 20),
        EngineRig.Request([.. EngineRig.Prompt(24, 105), .. EngineRig.Prompt(6, 107)], 20, new SamplingParameters { Seed = 3 }),
    ];

    private static readonly Lazy<Task<IReadOnlyList<ChosenToken>[]>> Alone = new(ComputeAloneAsync);

    private readonly SequenceHandle[] _handles;

    private Neighbours(SequenceHandle[] handles) => _handles = handles;

    public static Neighbours Start(EngineRig rig) => new([.. Requests.Select(rig.Submit)]);

    /// <summary>The streams, as they go on.</summary>
    public IReadOnlyList<SequenceHandle> Handles => _handles;

    /// <summary>Waits for all of them.</summary>
    public async Task AssertUndisturbedAsync()
    {
        Generated[] results = await Task.WhenAll(_handles.Select(EngineRig.ReadAsync));
        IReadOnlyList<ChosenToken>[] alone = await Alone.Value;
        for (int i = 0; i < results.Length; i++)
        {
            Assert.Equal(Bits(alone[i]), Bits(results[i].Choices));
        }
    }

    private static IEnumerable<(int Token, float? LogProbability)> Bits(IReadOnlyList<ChosenToken> choices) =>
        choices.Select(choice => (choice.Token, choice.LogProbability));

    private static async Task<IReadOnlyList<ChosenToken>[]> ComputeAloneAsync()
    {
        await using var rig = new EngineRig(EngineRig.SmallOptions with { PrefixCache = false, MaxBatchTokens = 512 });
        List<IReadOnlyList<ChosenToken>> all = [];
        foreach (SequenceRequest request in Requests)
        {
            all.Add((await rig.GenerateAsync(request)).Choices);
        }

        return [.. all];
    }
}
