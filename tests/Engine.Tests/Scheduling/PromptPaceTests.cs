using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Tests.Scheduling;

public class PromptPaceTests
{
    private static readonly EngineOptions Options = new() { MaxPrefillTokensWhileDecoding = 128, MixedStepTarget = TimeSpan.FromMilliseconds(50) };

    [Fact]
    public void TokensBeside_NothingMeasured_IsTheMost() => Assert.Equal(128, new PromptPace(Options).TokensBeside(4));

    [Theory]
    [InlineData(0.01, 4, 128)]
    [InlineData(0.5, 4, 96)]
    [InlineData(0.5, 16, 80)]
    [InlineData(0.5, 76, 32)]
    [InlineData(10, 4, 16)]
    public void TokensBeside_MeasuredSpeed_KeepsTheStepWithinItsTarget(double millisecondsPerRow, int decodes, int expected)
    {
        var pace = new PromptPace(Options);

        pace.Note(512, 0, 512 * millisecondsPerRow / 1000);

        Assert.Equal(expected, pace.TokensBeside(decodes));
    }

    [Theory]
    [InlineData(0.9, 4, 4)]
    [InlineData(0.6, 4, 12)]
    [InlineData(0.5, 2, 16)]
    [InlineData(0.9, 8, 4)]
    [InlineData(10, 1, 4)]
    public void TokensBeside_SmallChunksAllowed_KeepTheTarget(double millisecondsPerRow, int decodes, int expected)
    {
        var pace = new PromptPace(Options with { MixedStepTarget = TimeSpan.FromMilliseconds(10), MinPrefillTokensWhileDecoding = 4 });

        pace.Note(512, 0, 512 * millisecondsPerRow / 1000);

        Assert.Equal(expected, pace.TokensBeside(decodes));
    }

    [Theory]
    [InlineData(4, 20)]
    [InlineData(8, 16)]
    [InlineData(20, 4)]
    [InlineData(60, 0)]
    public void TokensBeside_StepsThatDecodeAreSlow_TakeTheirTimeFromTheTarget(double decodeMilliseconds, double roomMilliseconds)
    {
        var pace = new PromptPace(Options with { MixedStepTarget = TimeSpan.FromMilliseconds(24), MinPrefillTokensWhileDecoding = 1 });
        pace.Note(512, 0, 512 * 0.001);
        pace.Note(0, 4, decodeMilliseconds / 1000);

        // Half of a step without a prompt is allowed in any case.
        double expected = Math.Max(roomMilliseconds, decodeMilliseconds / 2);
        Assert.InRange(pace.TokensBeside(4), expected < 16 ? expected - 4 : 16, expected);
    }

    [Fact]
    public void TokensBeside_MostStreamsHaveEnded_ThoseLeftDoNotWaitAsLongAsAllDid()
    {
        var pace = new PromptPace(Options with { MixedStepTarget = TimeSpan.FromMilliseconds(10), MinPrefillTokensWhileDecoding = 4 });
        pace.Note(512, 0, 512 * 0.0005);
        pace.Note(0, 32, 0.060);
        Assert.Equal(48, pace.TokensBeside(32));

        Assert.Equal(16, pace.TokensBeside(1));
        pace.Note(16, 1, 0.007 + (16 * 0.0005));
        Assert.Equal(12, pace.TokensBeside(1));

        for (int i = 0; i < 20; i++)
        {
            pace.Note(0, 1, 0.007);
        }

        Assert.Equal(4, pace.TokensBeside(1));
    }

    [Fact]
    public void TokensPerSecondBeside_StreamsInSteps_CountsTheirTimeToo()
    {
        var pace = new PromptPace(Options with { MixedStepTarget = TimeSpan.FromMilliseconds(10), MinPrefillTokensWhileDecoding = 4 });
        Assert.Equal(0, pace.TokensPerSecondBeside(4));
        pace.Note(512, 0, 512 * 0.001);
        pace.Note(0, 4, 0.009);

        Assert.Equal(0, pace.TokensPerSecondBeside(0));
        Assert.Equal(4 / 0.013, pace.TokensPerSecondBeside(4), 6);
    }

    [Fact]
    public void Note_SmallChunks_TellHowStepsThatDecodeGrow()
    {
        var pace = new PromptPace(Options with { MixedStepTarget = TimeSpan.FromMilliseconds(12), MinPrefillTokensWhileDecoding = 4 });
        pace.Note(512, 0, 512 * 0.0005);
        pace.Note(0, 4, 0.004);
        Assert.Equal(16, pace.TokensBeside(4));

        for (int i = 0; i < 30; i++)
        {
            pace.Note(8, 4, 0.008 + (8 * 0.0005));
        }

        Assert.InRange(pace.TokensBeside(4), 4, 8);
    }

    [Fact]
    public void Note_LargeChunkBesideStreams_CountsWhatTheyCostAlone()
    {
        var pace = new PromptPace(Options with { MinPrefillTokensWhileDecoding = 4 });
        pace.Note(0, 4, 0.010);

        pace.Note(40, 4, 0.010 + (40 * 0.0005));

        Assert.Equal(80, pace.TokensBeside(4));
    }

    [Theory]
    [InlineData(0.01, 512)]
    [InlineData(0.4, 240)]
    [InlineData(1.4, 128)]
    public void TokensHandedOver_MeasuredSpeed_AnnouncesBlocksSoon(double millisecondsPerRow, int expected)
    {
        var pace = new PromptPace(Options);
        Assert.Equal(512, pace.TokensHandedOver);

        pace.Note(512, 0, 512 * millisecondsPerRow / 1000);

        Assert.Equal(expected, pace.TokensHandedOver);
    }

    [Fact]
    public void TokensBeside_LimitBelowTheLeastChunk_IsTheLimit()
    {
        var pace = new PromptPace(Options with { MaxPrefillTokensWhileDecoding = 7 });

        pace.Note(512, 0, 100);

        Assert.Equal(7, pace.TokensBeside(1));
    }

    [Fact]
    public void Note_SlowSteps_CountOnlyWhenThereAreSeveral()
    {
        var pace = new PromptPace(Options);
        pace.Note(100, 0, 0.02);
        pace.Note(100, 0, 2);
        Assert.Equal(128, pace.TokensBeside(4));
        for (int i = 0; i < 30; i++)
        {
            pace.Note(100, 0, 2);
        }

        Assert.Equal(16, pace.TokensBeside(4));
        for (int i = 0; i < 20; i++)
        {
            pace.Note(100, 4, 0.02);
        }

        Assert.Equal(128, pace.TokensBeside(4));
    }

    [Fact]
    public void Note_StepOfFewRows_ChangesNothing()
    {
        var pace = new PromptPace(Options);

        pace.Note(1, 0, 0.02);

        Assert.Equal(128, pace.TokensBeside(4));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(8)]
    public void Note_OneStepStoodStill_ChunksAreAsBeforeWithinAFewSteps(int decodes)
    {
        const double PerRow = 0.0005;
        const double Decode = 0.004;
        var pace = new PromptPace(Options with { MixedStepTarget = TimeSpan.FromMilliseconds(10), MinPrefillTokensWhileDecoding = 4 });
        Serve(pace, decodes, 40);
        int usual = pace.TokensBeside(decodes);

        pace.Note(16, decodes, 5);

        // Streams and the prompt beside them go on all the time: there is no step of many rows to measure, and none without prompt tokens.
        Serve(pace, decodes, 20);
        Assert.InRange(pace.TokensBeside(decodes), usual - 4, usual + 4);

        static void Serve(PromptPace pace, int decodes, int steps)
        {
            for (int i = 0; i < steps; i++)
            {
                int tokens = Math.Min(pace.TokensBeside(decodes), 32);
                pace.Note(tokens, decodes, Decode + (tokens * PerRow));
            }
        }
    }

    [Fact]
    public void Note_FirstStepStoodStill_SmallChunksCorrectIt()
    {
        const double PerRow = 0.0005;
        const double Decode = 0.004;
        var pace = new PromptPace(Options with { MixedStepTarget = TimeSpan.FromMilliseconds(10), MinPrefillTokensWhileDecoding = 4 });
        pace.Note(0, 4, Decode);

        // Nothing was known before: compilers, or memory that came late.
        pace.Note(128, 4, 30);
        Assert.Equal(4, pace.TokensBeside(4));

        for (int i = 0; i < 20; i++)
        {
            int tokens = pace.TokensBeside(4);
            pace.Note(tokens, 4, Decode + (tokens * PerRow));
        }

        Assert.InRange(pace.TokensBeside(4), 8, 16);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Note_StepWithoutAPromptStoodStill_ChunksDoNotBecomeLong(bool isKnown)
    {
        var pace = new PromptPace(Options with { MixedStepTarget = TimeSpan.FromMilliseconds(10), MinPrefillTokensWhileDecoding = 4 });
        pace.Note(512, 0, 512 * 0.0005);
        pace.Note(0, 4, isKnown ? 0.004 : 0.3);
        pace.Note(0, 4, 0.3);
        for (int i = 0; i < 20; i++)
        {
            int tokens = pace.TokensBeside(4);
            pace.Note(tokens, 4, 0.004 + (tokens * 0.0005));
        }

        Assert.InRange(pace.TokensBeside(4), 4, 32);
    }

    [Fact]
    public void Note_DeviceBecomesSlower_IsFollowed()
    {
        var pace = new PromptPace(Options);
        pace.Note(512, 0, 512 * 0.0005);
        for (int i = 0; i < 30; i++)
        {
            pace.Note(64, 4, 64 * 0.005);
        }

        Assert.Equal(16, pace.TokensBeside(4));
    }
}
