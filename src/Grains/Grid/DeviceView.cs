using ServingGrid.Engine;

namespace ServingGrid.Grains.Grid;

/// <summary>A device as this silo sees it: its last report, and what this silo has sent there since. Immutable.</summary>
/// <param name="Slot">Its place in the view's block index.</param>
/// <param name="Identity">What it is.</param>
/// <param name="Load">Its last report.</param>
/// <param name="ReportedAt">When it made the report, as a timestamp of the view's clock.</param>
/// <param name="SentRequests">Requests that this silo placed there which the report cannot know yet.</param>
/// <param name="Backlog">Prompt tokens to compute there, those of these requests included.</param>
public sealed record DeviceView(int Slot, DeviceIdentity Identity, DeviceLoad Load, long ReportedAt, int SentRequests, PromptBacklog Backlog)
{
    /// <summary>Requests there, those on the way included.</summary>
    public int Requests => Load.Running + Load.Waiting + SentRequests;

    /// <summary>With one more of those requests.</summary>
    public DeviceView WithSent(int tokens) => this with { SentRequests = SentRequests + 1, Backlog = Backlog.With(tokens) };

    /// <summary>Blocks that sequences hold.</summary>
    public int HeldBlocks => Load.TotalBlocks - Load.FreeBlocks;
}
