using System.Text;
using ServingGrid.Engine.Tests.Disaggregation;
using ServingGrid.Engine.Tests.Support;

namespace ServingGrid.Engine.Tests.Stopping;

/// <summary>Where answers of a real model end, by its real tokenizer.</summary>
public sealed class StopRulesTests(BundledEngine bundled) : IClassFixture<BundledEngine>
{
    private const string Story = "Tell me a story.";

    [Fact]
    public async Task StopString_AcrossTokens_EndsWithTheTokenThatCompletesIt()
    {
        int[] free = await FreeAsync();
        // The end of one token, two whole ones, the start of a fourth.
        string[] pieces = [.. free.Select(token => Text([token]))];
        int first = Enumerable.Range(5, 20).First(i => pieces[i].Length > 1 && pieces[i + 3].Length > 1);
        string stop = pieces[first][^1] + pieces[first + 1] + pieces[first + 2] + pieces[first + 3][..1];
        await AssertEndsAsync(free, [stop], minTokens: 0);
    }

    [Fact]
    public async Task StopStrings_Several_TheOneThatIsCompleteFirstEndsIt()
    {
        int[] free = await FreeAsync();
        string text = Text(free);
        string early = text.Substring(20, 6), late = text.Substring(60, 4), inside = early[2..4];
        await AssertEndsAsync(free, [late, early], minTokens: 0);
        await AssertEndsAsync(free, [late, early, inside, "not in there"], minTokens: 0);
    }

    [Fact]
    public async Task StopString_RandomPartsOfTheAnswer_EndWhereAPlainSearchFindsThem()
    {
        int[] free = await FreeAsync();
        string text = Text(free);
        var random = new Random(1);
        for (int i = 0; i < 40; i++)
        {
            string[] stops = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => text.Substring(random.Next(text.Length - 12), random.Next(1, 12)))];
            await AssertEndsAsync(free, stops, random.Next(0, free.Length));
        }
    }

    [Fact]
    public async Task StopString_CompleteBeforeOrAtTheMinimum_DoesNotEndTheAnswer()
    {
        int[] free = await FreeAsync();
        int at = Enumerable.Range(4, 30).First(i => Text([free[i]]).Trim().Length > 2);
        string stop = Text([free[at]]).Trim();
        int first = Expected(free, [stop], 0).Tokens;
        Assert.True(first < free.Length);
        await AssertEndsAsync(free, [stop], minTokens: first - 1);
        await AssertEndsAsync(free, [stop], minTokens: first);
        Assert.NotEqual(first, Expected(free, [stop], first).Tokens);
    }

    [Fact]
    public async Task StopString_BegunInAnEarlierAttempt_EndsTheResumedAnswer()
    {
        int[] free = await FreeAsync();
        string stop = Text(free[8..12]);
        (int tokens, string? found) = Expected(free, [stop], 0);
        SequenceRequest request = Ask() with { StopStrings = [stop] };
        for (int given = 0; given <= tokens; given++)
        {
            Generated resumed = await bundled.AnswerAsync(request with { Prompt = [.. request.Prompt, .. free[..given]], GeneratedInPrompt = given });
            Assert.Equal(free[given..tokens], resumed.Tokens);
            Assert.Equal((FinishCause.Stop, found), (resumed.End.Cause, resumed.End.StopString));
        }
    }

    [Fact]
    public async Task Handover_StopStringReachedInAnEarlierAttempt_RefusedAsFinishedAndSubmitTellsTheEnd()
    {
        int[] free = await FreeAsync();
        string stop = Text(free[8..12]);
        int tokens = Expected(free, [stop], 0).Tokens;
        SequenceRequest request = Ask() with { StopStrings = [stop] };
        request = request with { Prompt = [.. request.Prompt, .. free[..tokens]], GeneratedInPrompt = tokens };

        Assert.Equal(RefusalReason.Finished, (await bundled.Engine.ReserveAsync(request)).Refused?.Reason);
        Assert.Equal(RefusalReason.Finished, bundled.Engine.SubmitPrefill(request, 0, new CollectingSink()).Refused?.Reason);
        Generated end = await bundled.AnswerAsync(request);
        Assert.Equal((FinishCause.Stop, stop, 0), (end.End.Cause, end.End.StopString, end.Tokens.Length));
    }

    [Fact]
    public async Task EndToken_Chosen_EndsTheAnswerAndIsNotReported()
    {
        Generated answer = await bundled.AnswerAsync(Ask());
        Assert.Equal((FinishCause.Stop, null), (answer.End.Cause, answer.End.StopString));
        Assert.DoesNotContain(answer.Tokens, bundled.Tokenizer.EndOfGenerationTokens.Contains);
        Assert.Equal(answer.Tokens.Length, answer.End.Usage.CompletionTokens);
        Generated on = await bundled.AnswerAsync(Ask() with { IgnoreEos = true });
        Assert.Equal(answer.Tokens, on.Tokens[..answer.Tokens.Length]);
        Assert.Contains(on.Tokens[answer.Tokens.Length], bundled.Tokenizer.EndOfGenerationTokens);
    }

    [Theory]
    [InlineData(0f, 0)]
    [InlineData(0.7f, 20)]
    [InlineData(0.7f, 0)]
    public async Task EndToken_BeforeTheMinimum_IsNeverChosen(float temperature, int topK)
    {
        SequenceRequest request = bundled.Question("What is the capital of France?") with { Sampling = new SamplingParameters { Temperature = temperature, TopK = topK, Seed = 3 } };
        Generated free = await bundled.AnswerAsync(request);
        Assert.Equal(FinishCause.Stop, free.End.Cause);
        foreach (int least in (int[])[free.Tokens.Length, free.Tokens.Length + 1, free.Tokens.Length + 15])
        {
            Generated longer = await bundled.AnswerAsync(request with { MinTokens = least });
            Assert.InRange(longer.Tokens.Length, least, 200);
            Assert.Equal(free.Tokens, longer.Tokens[..free.Tokens.Length]);
            Assert.DoesNotContain(longer.Tokens, bundled.Tokenizer.EndOfGenerationTokens.Contains);
            Assert.Equal(least == free.Tokens.Length, longer.Tokens.Length == free.Tokens.Length);
        }
    }

    [Fact]
    public async Task IgnoreEos_Set_RunsToTheLimit()
    {
        Generated answer = await bundled.AnswerAsync(bundled.Question("What is the capital of France?", maxTokens: 60) with { IgnoreEos = true, MinTokens = 50 });
        Assert.Equal((FinishCause.Length, 60), (answer.End.Cause, answer.Tokens.Length));
    }

    private SequenceRequest Ask() => bundled.Question(Story);

    private async Task<int[]> FreeAsync()
    {
        int[] tokens = (await bundled.AnswerAsync(Ask())).Tokens;
        Assert.True(tokens.Length > 40, $"too short an answer for these tests: {Text(tokens)}");
        return tokens;
    }

    private async Task AssertEndsAsync(int[] free, string[] stops, int minTokens)
    {
        (int tokens, string? stop) = Expected(free, stops, minTokens);
        Generated answer = await bundled.AnswerAsync(Ask() with { StopStrings = stops, MinTokens = minTokens });
        Assert.Equal(free[..tokens], answer.Tokens);
        Assert.Equal((FinishCause.Stop, stop), (answer.End.Cause, answer.End.StopString));
    }

    /// <summary>Token by token, with a plain search of all the text each time.</summary>
    private (int Tokens, string? Stop) Expected(int[] free, string[] stops, int minTokens)
    {
        for (int count = minTokens + 1; count <= free.Length; count++)
        {
            string text = Text(free[minTokens..count]);
            if (stops.Where(text.Contains).OrderBy(stop => text.IndexOf(stop, StringComparison.Ordinal) + stop.Length).ThenByDescending(stop => stop.Length).FirstOrDefault() is { } found)
            {
                return (count, found);
            }
        }

        return (free.Length, null);
    }

    private string Text(int[] tokens) => Encoding.UTF8.GetString([.. tokens.SelectMany(token => bundled.Tokenizer.TokenBytes(token).ToArray())]);
}
