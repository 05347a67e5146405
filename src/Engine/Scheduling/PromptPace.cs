namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// How many prompt tokens a step may take, by the speed of the last steps, where somebody waits for its end: streams that decode in it, or a
/// device that gets its blocks. Not thread-safe.
/// </summary>
internal sealed class PromptPace(EngineOptions options)
{
    // Rows below which a step costs nearly the same, as the weights must be read anyway: smaller chunks would delay the prompt and help nobody.
    private const int LeastTokens = 16;

    // A tile of the kernels takes eight rows: beside a few sequences that decode, four more cost as little for each token as a large chunk does.
    private const int SmallGranularity = 4;

    // A prompt for another device travels while its next chunk is computed. In short chunks little is left to send at its end, and the receiver's
    // streams are not disturbed by megabytes at a time; shorter ones would cost speed.
    private const int LeastHandedOver = 128;
    private static readonly TimeSpan HandoverTarget = TimeSpan.FromMilliseconds(100);

    // Of row counts that kernels like.
    private const int Granularity = 16;

    // Steps vary with the context, and a thread that lost its core for a moment must not be taken for a slow device.
    private const double Smoothing = 0.25;

    private double _secondsPerRow;

    /// <summary>Most prompt tokens beside <paramref name="decodes"/> sequences that decode, all of which wait for the whole step.</summary>
    public int TokensBeside(int decodes)
    {
        int small = (int)Rows(options.MixedStepTarget, decodes) / SmallGranularity * SmallGranularity;
        return small < LeastTokens && small >= options.MinPrefillTokensWhileDecoding
            ? Math.Min(small, options.MaxPrefillTokensWhileDecoding)
            : Tokens(options.MixedStepTarget, decodes, LeastTokens, options.MaxPrefillTokensWhileDecoding);
    }

    /// <summary>Most prompt tokens of a step that computes a prompt for another device.</summary>
    public int TokensHandedOver => Tokens(HandoverTarget, 0, LeastHandedOver, options.MaxBatchTokens);

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

    private int Tokens(TimeSpan target, int decodes, int least, int most)
    {
        if (_secondsPerRow <= 0)
        {
            return most;
        }

        return Math.Min(Math.Max((int)Rows(target, decodes) / Granularity * Granularity, least), most);
    }

    // As many as there can be while no speed is known.
    private double Rows(TimeSpan target, int decodes) => Math.Min(_secondsPerRow <= 0 ? double.MaxValue : target.TotalSeconds / _secondsPerRow, options.MaxBatchTokens) - decodes;
}
