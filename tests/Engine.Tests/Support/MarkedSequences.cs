using ServingGrid.Kernels;

namespace ServingGrid.Engine.Tests.Support;

/// <summary>
/// Recognises sequences whose prompt starts with a certain token, also in steps that see only their later tokens: by the block that holds
/// the first. For a device's hooks, on the engine's thread.
/// </summary>
internal sealed class MarkedSequences
{
    /// <summary>First token of a marked prompt; no other prompt of a test starts with it.</summary>
    public const int Marker = 95;

    private readonly HashSet<int> _blocks = [];

    /// <summary>A marked prompt.</summary>
    public static int[] Prompt(int length, int seed) => [Marker, .. EngineRig.Prompt(length - 1, seed)];

    /// <summary>True if the batch computes a marked sequence.</summary>
    public bool IsIn(StepBatch batch)
    {
        bool found = false;
        foreach (SequenceRows rows in batch.Sequences)
        {
            found |= IsMarked(batch, rows);
        }

        return found;
    }

    /// <summary>True if a row of the batch's logits is a marked sequence's.</summary>
    public bool HasRow(StepBatch batch, int row) => IsMarked(batch, batch.Sequences[batch.RowSequence[batch.SampledRows[row]]]);

    /// <summary>True if the sequence is marked.</summary>
    public bool IsMarked(StepBatch batch, SequenceRows rows)
    {
        int first = batch.Blocks[rows.FirstBlock];
        if (rows.FirstPosition == 0)
        {
            if (batch.Tokens[rows.FirstRow] == Marker)
            {
                _blocks.Add(first);
            }
            else
            {
                _blocks.Remove(first);
            }
        }

        return _blocks.Contains(first);
    }
}
