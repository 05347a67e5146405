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

        if (promptTokens >= LeastTokens)
        {
            double ofPrompt = _decodeSeconds > 0 && decodes > 0
                ? (seconds - Math.Min(DecodeSeconds(decodes), seconds / 2)) / promptTokens
                : seconds / (promptTokens + decodes);
            _secondsPerRow = Smooth(_secondsPerRow, ofPrompt);
        }
        else if (decodes > 0)
        {
            // While prompts are computed in small chunks, their streams' contexts grow.
            _decodeSeconds = Smooth(DecodeSeconds(decodes), Math.Max(seconds - (promptTokens * _secondsPerRow), 0));
            _decodes = decodes;
        }
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
