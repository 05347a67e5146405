namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// How many prompt tokens a step may take while other sequences decode: as many as fit into <see cref="EngineOptions.MixedStepTarget"/> at the
/// speed of the last steps, because every decoding stream waits for the whole step. Not thread-safe.
/// </summary>
internal sealed class PromptPace(EngineOptions options)
{
    // Rows below which a step costs nearly the same: smaller chunks would delay the prompt and help nobody.
    private const int LeastTokens = 32;

    // Of row counts that kernels like.
    private const int Granularity = 16;

    // Steps vary with the context, and a thread that lost its core for a moment must not be taken for a slow device.
    private const double Smoothing = 0.25;

    private double _secondsPerRow;

    /// <summary>Most prompt tokens beside <paramref name="decodes"/> sequences that decode.</summary>
    public int TokensBeside(int decodes)
    {
        int most = options.MaxPrefillTokensWhileDecoding;
        if (_secondsPerRow <= 0)
        {
            return most;
        }

        double rows = Math.Min(options.MixedStepTarget.TotalSeconds / _secondsPerRow, options.MaxBatchTokens) - decodes;
        int chunk = Math.Max((int)rows / Granularity * Granularity, LeastTokens);
        return Math.Min(chunk, most);
    }

    /// <summary>Learns from a step. Steps of few rows say nothing: they are bound by reading the weights.</summary>
    public void Note(int promptTokens, int decodes, double seconds)
    {
        if (promptTokens < LeastTokens || seconds <= 0)
        {
            return;
        }

        double measured = seconds / (promptTokens + decodes);
        _secondsPerRow = _secondsPerRow <= 0 ? measured : _secondsPerRow + Smoothing * (measured - _secondsPerRow);
    }
}
