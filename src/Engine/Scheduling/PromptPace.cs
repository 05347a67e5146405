namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// How many prompt tokens a step may take, by the speed of the last steps, where somebody waits for its end: streams that decode in it, or a
/// device that gets its blocks. Not thread-safe.
/// </summary>
internal sealed class PromptPace(EngineOptions options)
{
    // Fewer rows say little of what one costs: the weights must be read anyway.
    private const int LeastTokens = 16;

    // Where a step without prompt tokens takes as long as the target, or longer, a prompt must still get on: streams may then run at two thirds of their speed.
    private const double LeastShare = 0.5;

    // A prompt for another device travels while its next chunk is computed. In short chunks little is left to send at its end, and the receiver's
    // streams are not disturbed by megabytes at a time; shorter ones would cost speed.
    public const int LeastHandedOver = 128;
    private static readonly TimeSpan HandoverTarget = TimeSpan.FromMilliseconds(100);

    // Of row counts that kernels like: a tile takes eight rows, and beside a few sequences that decode, four more cost as little for each token as a large
    // chunk does.
    private const int Granularity = 16;
    private const int SmallGranularity = 4;

    // Steps vary with the context, and a thread that lost its core for a moment must not be taken for a slow device.
    private const double Smoothing = 0.25;

    // A step that has stood still for a moment counts as one that was this much slower, and no more.
    private const double MostSlowdown = 2;

    // A prediction that exceeds what a step has taken by as much is not noise.
    private const double FarTooLong = 1.5;

    // Of a step's time, what its prompt tokens take at least, and what all else does.
    private const double LeastShareOfAStep = 0.1;

    private double _secondsPerRow;

    // Of a step without prompt tokens, and how many sequences decoded in it; 0: unknown.
    private double _decodeSeconds;
    private int _decodes;

    /// <summary>Most prompt tokens beside <paramref name="decodes"/> sequences that decode, all of which wait for the whole step.</summary>
    public int TokensBeside(int decodes)
    {
        double without = SecondsWithout(decodes);
        double room = Math.Max(options.MixedStepTarget.TotalSeconds - without, without * LeastShare);
        return Tokens(room, options.MinPrefillTokensWhileDecoding, options.MaxPrefillTokensWhileDecoding);
    }

    /// <summary>Prompt tokens per second in steps of <see cref="TokensBeside"/>; 0: unknown, or nothing decodes.</summary>
    public double TokensPerSecondBeside(int decodes)
    {
        if (decodes == 0 || _secondsPerRow <= 0)
        {
            return 0;
        }

        int tokens = TokensBeside(decodes);
        return tokens / (SecondsWithout(decodes) + (tokens * _secondsPerRow));
    }

    /// <summary>Most prompt tokens of a step that computes a prompt for another device.</summary>
    public int TokensHandedOver => Tokens(HandoverTarget.TotalSeconds, LeastHandedOver, options.MaxBatchTokens);

    /// <summary>Learns from a step.</summary>
    public void Note(int promptTokens, int decodes, double seconds)
    {
        if (seconds <= 0)
        {
            return;
        }

        if (promptTokens > 0 && DecodeSeconds(decodes) > seconds)
        {
            // Without the prompt it cannot have taken longer: a step that only decoded had stood still.
            _decodeSeconds = Math.Max(seconds - (promptTokens * _secondsPerRow), seconds * LeastShareOfAStep);
            _decodes = decodes;
        }
        else if (promptTokens >= LeastTokens)
        {
            double ofPrompt = _decodeSeconds > 0 && decodes > 0
                ? (seconds - Math.Min(DecodeSeconds(decodes), seconds / 2)) / promptTokens
                : seconds / (promptTokens + decodes);
            _secondsPerRow = Smooth(_secondsPerRow, _secondsPerRow > 0 ? Math.Min(ofPrompt, _secondsPerRow * MostSlowdown) : ofPrompt);
        }
        else if (OverratesRows(promptTokens, decodes, seconds))
        {
            // Few rows say little of what one costs, but that it is not what was measured. Without this, one step that stood still would
            // keep chunks too small to be measured.
            _secondsPerRow = Math.Max(seconds - DecodeSeconds(decodes), seconds * LeastShareOfAStep) / promptTokens;
        }
        else if (decodes > 0)
        {
            // While prompts are computed in small chunks, their streams' contexts grow.
            double known = DecodeSeconds(decodes);
            double most = known > 0 ? known * MostSlowdown * Math.Max(decodes, _decodes) / _decodes : double.PositiveInfinity;
            _decodeSeconds = Smooth(known, Math.Clamp(seconds - (promptTokens * _secondsPerRow), 0, most));
            _decodes = decodes;
        }
    }

    // The step was far shorter than its prompt tokens alone, more or less, should have taken.
    private bool OverratesRows(int promptTokens, int decodes, double seconds)
    {
        double ofPrompt = promptTokens * _secondsPerRow;
        double ofDecodes = DecodeSeconds(decodes);
        return ofPrompt > ofDecodes && ofPrompt + ofDecodes > seconds * FarTooLong;
    }

    private double SecondsWithout(int decodes) => Math.Max(DecodeSeconds(decodes), decodes * _secondsPerRow);

    /// <summary>
    /// Of a step without prompt tokens. Sequences that have ended since the last one take their share of it along: too much, for weights are read for one as for many,
    /// but beside a long prompt there may be no step for a while that tells, and those that are left would wait for as long as all did.
    /// </summary>
    private double DecodeSeconds(int decodes) => decodes < _decodes ? _decodeSeconds * decodes / _decodes : _decodeSeconds;

    private static double Smooth(double known, double measured) => known <= 0 ? measured : known + (Smoothing * (measured - known));

    private int Tokens(double seconds, int least, int most)
    {
        if (_secondsPerRow <= 0)
        {
            return most;
        }

        int tokens = (int)Math.Min(seconds / _secondsPerRow, most);
        int granularity = tokens < Granularity ? SmallGranularity : Granularity;
        return Math.Min(Math.Max(tokens / granularity * granularity, least), most);
    }
}
