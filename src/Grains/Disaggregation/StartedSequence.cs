using ServingGrid.Client;
using ServingGrid.Engine;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>
/// A sequence that this silo's engine has accepted, and what goes on beside it until its prompt is computed. Thread-safe.
/// </summary>
/// <param name="handle">The sequence.</param>
internal sealed class StartedSequence(SequenceHandle handle)
{
    private volatile GridException? _failure;

    public SequenceHandle Handle { get; } = handle;

    /// <summary>Ends when nobody else works at the prompt any longer; never faulted.</summary>
    public Task Prefill { get; set; } = Task.CompletedTask;

    /// <summary>
    /// Why the sequence ends before its prompt is computed, set before it does: its stream knows only that its blocks were given up.
    /// </summary>
    public GridException? Failure
    {
        get => _failure;
        set => _failure = value;
    }
}
