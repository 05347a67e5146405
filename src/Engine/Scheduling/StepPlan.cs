namespace ServingGrid.Engine.Scheduling;

/// <summary>A sequence's share of a step: its next <paramref name="Tokens"/> tokens after <see cref="Sequence.Computed"/>.</summary>
internal readonly record struct PlannedWork(Sequence Sequence, int Tokens)
{
    /// <summary>Nothing is left to compute afterwards: a token is chosen.</summary>
    public bool Completes => Sequence.Computed + Tokens == Sequence.Count;

    /// <summary>A block of <paramref name="blockSize"/> tokens becomes full.</summary>
    public bool FillsBlock(int blockSize) => (Sequence.Computed + Tokens) / blockSize > Sequence.Computed / blockSize;
}

/// <summary>What one step computes. Reused from step to step. Not thread-safe.</summary>
internal sealed class StepPlan(int maxTokens)
{
    private readonly List<PlannedWork> _work = [];

    public IReadOnlyList<PlannedWork> Work => _work;

    /// <summary>Tokens that still fit.</summary>
    public int Budget => maxTokens - Decodes - PromptTokens;

    /// <summary>Sequences with one token to compute and one to choose.</summary>
    public int Decodes { get; private set; }

    /// <summary>Prompt tokens to compute.</summary>
    public int PromptTokens { get; private set; }

    public bool IsEmpty => _work.Count == 0;

    public void Clear()
    {
        _work.Clear();
        Decodes = PromptTokens = 0;
    }

    public void AddDecode(Sequence sequence)
    {
        _work.Add(new PlannedWork(sequence, 1));
        Decodes++;
    }

    /// <summary>What was planned for a sequence in a step that was not computed.</summary>
    public void AddAgain(PlannedWork work)
    {
        if (work.Sequence.IsDecoding)
        {
            AddDecode(work.Sequence);
        }
        else
        {
            AddPromptChunk(work.Sequence, work.Tokens);
        }
    }

    /// <summary>As much of what a prompt has left as <paramref name="most"/> and the budget allow.</summary>
    public void AddPromptChunk(Sequence sequence, int most)
    {
        int tokens = Math.Min(Math.Min(most, Budget), sequence.Count - sequence.Computed);
        if (tokens > 0)
        {
            _work.Add(new PlannedWork(sequence, tokens));
            PromptTokens += tokens;
        }
    }
}
