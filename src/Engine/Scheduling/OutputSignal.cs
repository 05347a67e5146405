namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// Collects what a step has published, so that whoever passes the tokens on is woken once for all sequences. Engine's thread, but for
/// <see cref="Raised"/>.
/// </summary>
internal sealed class OutputSignal
{
    private bool _noted;

    /// <summary>Subscribed to from any thread.</summary>
    public event Action? Raised;

    /// <summary>A sequence's channel has got something.</summary>
    public void Note() => _noted = true;

    /// <summary>Tells it, if there was anything since the last call.</summary>
    public void Raise()
    {
        if (_noted)
        {
            _noted = false;
            Raised?.Invoke();
        }
    }
}
