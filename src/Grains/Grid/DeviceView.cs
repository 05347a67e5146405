using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Grains.Grid;

/// <summary>A device as this silo sees it: its last report, and what this silo has sent there since. Immutable.</summary>
/// <param name="Slot">Its place in the view's block index.</param>
/// <param name="Identity">What it is.</param>
/// <param name="Load">Its last report.</param>
/// <param name="ReportedAt">When it made the report, as a timestamp of the view's clock.</param>
/// <param name="Sent">Prompt tokens of each request that this silo placed there and that the report cannot know yet.</param>
public sealed record DeviceView(int Slot, DeviceIdentity Identity, DeviceLoad Load, long ReportedAt, IReadOnlyList<int> Sent)
{
    /// <summary>Requests that this silo placed there and that the report cannot know yet.</summary>
    public int SentRequests => Sent.Count;

    /// <summary>Requests there, those on the way included.</summary>
    public int Requests => Load.Running + Load.Waiting + SentRequests;

    /// <summary>Prompt tokens to compute there, those on the way included.</summary>
    public long PendingTokens => Load.PendingPromptTokens + Sent.Sum(tokens => (long)tokens);

    /// <summary>Prompt tokens that are computed there before those of a new prompt of so many, if it comes from another device.</summary>
    public long PendingAheadOf(int tokens) => Load.Backlog.AheadOf(tokens) + Sent.Sum(sent => sent <= tokens ? sent : (long)PromptBacklog.StepTokens);

    /// <summary>Blocks that sequences hold.</summary>
    public int HeldBlocks => Load.TotalBlocks - Load.FreeBlocks;
}
