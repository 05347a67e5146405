using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Golden;

/// <summary>How far a run is from the reference.</summary>
internal sealed class GoldenComparison
{
    private double _sum;
    private int _count;

    /// <summary>Largest difference of a top-10 logit, at any position.</summary>
    public double Largest { get; private set; }

    /// <summary>Mean absolute difference of the top-10 logits at the prompt positions.</summary>
    public double MeanOfPrompts => _sum / _count;

    /// <summary>Positions whose most likely token is another one, with the reference's margin between its two best.</summary>
    public List<(string Where, double Margin)> Departures { get; } = [];

    /// <summary>Feeds the prompt and then the reference's greedy tokens, and compares at every position.</summary>
    public void Run(GoldenModel model, GoldenCase golden, bool promptsOnly)
    {
        float[][] prompt = model.Feed(golden.Tokens, 0);
        for (int i = 0; i < prompt.Length; i++)
        {
            foreach (double difference in Differences(prompt[i], golden.PromptPositions[i]))
            {
                _sum += difference;
                _count++;
                Largest = Math.Max(Largest, difference);
            }
        }

        if (promptsOnly)
        {
            return;
        }

        float[] last = prompt[^1];
        for (int i = 0; i < golden.Greedy.Length; i++)
        {
            int best = last.IndexOf(last.Max());
            if (best != golden.Greedy[i])
            {
                GoldenPosition before = i == 0 ? golden.PromptPositions[^1] : golden.GreedyPositions[i - 1];
                Departures.Add(($"{golden.Prompt[..Math.Min(20, golden.Prompt.Length)]}…[{i}]: {best}, not {golden.Greedy[i]}", before.Logits[0] - before.Logits[1]));
            }

            if (i < golden.GreedyPositions.Count)
            {
                last = model.Feed([golden.Greedy[i]], golden.Tokens.Length + i)[0];
                Largest = Math.Max(Largest, Differences(last, golden.GreedyPositions[i]).Max());
            }
        }
    }

    private static IEnumerable<double> Differences(float[] logits, GoldenPosition expected) =>
        expected.Ids.Select((id, rank) => Math.Abs((double)logits[id] - expected.Logits[rank]));
}
