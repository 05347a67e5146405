namespace ServingGrid.Benchmarks.Http;

/// <summary>Prompts of random ordinary tokens. Two makers with one seed make the same prompts, so that two servers get the same work. One thread.</summary>
internal sealed class PromptMaker(int seed, int low, int high)
{
    private readonly Random _random = new(seed);

    /// <summary>Another maker, of other prompts, for another thread.</summary>
    public PromptMaker Fork() => new(_random.Next(), low, high);

    public int[] Make(int tokens)
    {
        int[] prompt = new int[tokens];
        for (int i = 0; i < tokens; i++)
        {
            prompt[i] = _random.Next(low, high);
        }

        return prompt;
    }
}
