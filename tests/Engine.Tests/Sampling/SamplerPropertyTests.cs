using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Sampling;
using ServingGrid.Engine.Scheduling;
using ServingGrid.Engine.Stopping;
using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Testing.Reference;
using Tensor = ServingGrid.Kernels.Tensor;

namespace ServingGrid.Engine.Tests.Sampling;

/// <summary>
/// All accepted values of every parameter, at their ends and beside them, with logits of all kinds: a token that is allowed, or "invalid"
/// exactly when the rule says so; and the same by the whole row as by the candidates of any device.
/// </summary>
public sealed class SamplerPropertyTests
{
    private static readonly float[] Extremes =
    [
        float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.MinValue, 3e38f, -3e38f,
        float.Epsilon, -float.Epsilon, 1e-38f, 0f, -0f, 65504f,
    ];

    [Theory]
    [InlineData(1, 1500)]
    [InlineData(2, 1500)]
    [InlineData(64, 1500)]
    [InlineData(65, 1500)]
    [InlineData(700, 1500)]
    public void Sample_AnyParametersAndLogits_ChoosesOrRefusesByTheRule(int vocabulary, int rounds)
    {
        var random = new Random(vocabulary);
        using var cpu = CpuDevice.Create(new CpuDeviceOptions { Threads = 1 });
        using var reference = new ReferenceDevice();
        int[] counts = new int[Enum.GetValues<ChoiceOutcome>().Length];
        for (int round = 0; round < rounds; round++)
        {
            int ends = random.Next(4) == 0 ? random.Next(1, 4) : 0;
            int[] endTokens = [.. Enumerable.Range(0, ends).Select(_ => random.Next(vocabulary)).Distinct().Order()];
            Sequence sequence = RandomSequence(random, vocabulary, endTokens);
            float[] logits = RandomLogits(random, vocabulary);
            string what = $"round {round}: {sequence.Request.Sampling}, end tokens [{string.Join(' ', endTokens)}], "
                + $"minimum {sequence.Request.MinTokens}, logits [{string.Join(' ', logits.Take(70))}]";
            var sampler = new Sampler(vocabulary, 1, endTokens.Length);

            Choice whole = sampler.FromLogits(sequence, [.. logits]);

            Assert.True(Expected(sequence, logits) == whole.Outcome, $"{whole.Outcome} for {what}");
            AssertSound(sequence, logits, whole, what);
            counts[(int)whole.Outcome]++;
            foreach (Device device in new Device[] { cpu, reference })
            {
                Choice sampled = Sample(sampler, device, sequence, logits);
                bool same = whole.Outcome == sampled.Outcome && whole.Token.Token == sampled.Token.Token;
                Assert.True(same, $"{whole} by the row, {sampled} by {device.Info.Id}: {what}");
                Choice check = Check(sampler, device, sequence, logits);
                Assert.True((check.Outcome == ChoiceOutcome.Checked) == (whole.Outcome != ChoiceOutcome.NotNumbers), $"{check} for {what}");
            }
        }

        // None of the cases is missing, except that a vocabulary of one has fewer ways to go wrong.
        string outcomes = string.Join(", ", counts);
        Assert.True(counts[(int)ChoiceOutcome.Chosen] > rounds / 10 && counts[(int)ChoiceOutcome.NotNumbers] > rounds / 20, outcomes);
        Assert.True(vocabulary > 2 || counts[(int)ChoiceOutcome.NothingAllowed] > 0, outcomes);
    }

    public static TheoryData<string, float[]> OutOfRange
    {
        get
        {
            TheoryData<string, float[]> data = [];
            foreach ((string name, SamplingRange range) in Ranges)
            {
                float below = MathF.BitDecrement((float)range.Least);
                float above = MathF.BitIncrement((float)range.Most);
                data.Add(name, [below, above, float.NaN, float.PositiveInfinity, float.NegativeInfinity]);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void Check_BesideTheRange_NamesTheField(string name, float[] values)
    {
        foreach (float value in values)
        {
            Assert.Equal(name, With(name, value).Check(10)?.Parameter);
        }

        Assert.Null(With(name, (float)Ranges[name].Least).Check(10));
        Assert.Null(With(name, (float)Ranges[name].Most).Check(10));
    }

    [Fact]
    public void Check_WholeNumbersAndBiases_NamesTheField()
    {
        Assert.Equal("top_k", new SamplingParameters { TopK = -2 }.Check(10)?.Parameter);
        Assert.Null(new SamplingParameters { TopK = int.MaxValue }.Check(10));
        Assert.Equal("logprobs", new SamplingParameters { LogProbabilities = 65 }.Check(10)?.Parameter);
        Assert.Equal("logit_bias", new SamplingParameters { LogitBias = new Dictionary<int, float> { [10] = 0 } }.Check(10)?.Parameter);
        Assert.Equal("logit_bias", new SamplingParameters { LogitBias = new Dictionary<int, float> { [-1] = 0 } }.Check(10)?.Parameter);
        Assert.Equal("logit_bias", Biased(1025).Check(2000)?.Parameter);
        Assert.Null(Biased(1024).Check(2000));

        static SamplingParameters Biased(int tokens) => new() { LogitBias = Enumerable.Range(0, tokens).ToDictionary(i => i, _ => 0f) };
    }

    private static Dictionary<string, SamplingRange> Ranges => new SamplingRange[]
    {
        SamplingRanges.Temperature,
        SamplingRanges.TopP,
        SamplingRanges.MinP,
        SamplingRanges.RepetitionPenalty,
        SamplingRanges.PresencePenalty,
        SamplingRanges.FrequencyPenalty,
        SamplingRanges.LogitBias,
    }.ToDictionary(range => range.Name);

    private static SamplingParameters With(string name, float value) => name switch
    {
        "temperature" => new SamplingParameters { Temperature = value },
        "top_p" => new SamplingParameters { TopP = value },
        "min_p" => new SamplingParameters { MinP = value },
        "repetition_penalty" => new SamplingParameters { RepetitionPenalty = value },
        "presence_penalty" => new SamplingParameters { PresencePenalty = value },
        "frequency_penalty" => new SamplingParameters { FrequencyPenalty = value },
        _ => new SamplingParameters { LogitBias = new Dictionary<int, float> { [3] = value } },
    };

    // The rule, in its own words.
    private static ChoiceOutcome Expected(Sequence sequence, float[] logits)
    {
        if (logits.Any(float.IsNaN) || logits.Any(float.IsPositiveInfinity) || logits.All(float.IsNegativeInfinity))
        {
            return ChoiceOutcome.NotNumbers;
        }

        return Allowed(sequence, logits).Any() ? ChoiceOutcome.Chosen : ChoiceOutcome.NothingAllowed;
    }

    private static IEnumerable<int> Allowed(Sequence sequence, float[] logits) =>
        Enumerable.Range(0, logits.Length).Where(token => float.IsFinite(logits[token])).Except(
            sequence.Stop.Forbidden(sequence.AnswerLength));

    private static void AssertSound(Sequence sequence, float[] logits, Choice choice, string what)
    {
        if (choice.Outcome != ChoiceOutcome.Chosen)
        {
            return;
        }

        Assert.True(Allowed(sequence, logits).Contains(choice.Token.Token), $"token {choice.Token.Token} is not allowed: {what}");
        if (sequence.Request.Sampling.LogProbabilities is { } count)
        {
            Assert.True(
                choice.Token.LogProbability is { } own && float.IsFinite(own) && own <= 1e-3f, $"{choice.Token.LogProbability}: {what}");
            Assert.Equal(Math.Min(count, logits.Length), choice.Token.Top!.Count);
            Assert.All(choice.Token.Top, top => Assert.True(float.IsFinite(top.LogProbability) && (uint)top.Token < logits.Length, what));
        }
    }

    private static Choice Sample(Sampler sampler, Device device, Sequence sequence, float[] logits) =>
        Run(sampler, device, new SampledRow(sequence, Chooses: true), logits);

    private static Choice Check(Sampler sampler, Device device, Sequence sequence, float[] logits) =>
        Run(sampler, device, new SampledRow(sequence, Chooses: false), logits);

    private static Choice Run(Sampler sampler, Device device, SampledRow row, float[] logits)
    {
        using Tensor tensor = device.AllocateTensor(1, logits.Length);
        device.Write(tensor, 0, 1, logits);
        Choice[] choices = new Choice[1];
        sampler.Sample(device, tensor, [row], choices);
        Assert.True(choices[0].Error is null, $"{choices[0].Error}");
        return choices[0];
    }

    private static Sequence RandomSequence(Random random, int vocabulary, int[] endTokens)
    {
        int given = random.Next(1, 12);
        int[] prompt = [.. Enumerable.Range(0, given).Select(_ => random.Next(vocabulary))];
        int generated = random.Next(given);
        int[] topKs = [-1, 1, 2, 3, 40, 63, 64, 65, vocabulary - 1, vocabulary, vocabulary + 1, int.MaxValue];
        var sampling = new SamplingParameters
        {
            Temperature = Value(random, SamplingRanges.Temperature, 1),
            TopK = random.Next(3) == 0 ? 0 : topKs[random.Next(topKs.Length)],
            TopP = Value(random, SamplingRanges.TopP, 1),
            MinP = Value(random, SamplingRanges.MinP, 0),
            RepetitionPenalty = Value(random, SamplingRanges.RepetitionPenalty, 1),
            PresencePenalty = Value(random, SamplingRanges.PresencePenalty, 0),
            FrequencyPenalty = Value(random, SamplingRanges.FrequencyPenalty, 0),
            LogitBias = random.Next(3) > 0 ? null : Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(vocabulary)).Distinct()
                .ToDictionary(token => token, _ => Value(random, SamplingRanges.LogitBias, 0)),
            Seed = random.Next(2) == 0 ? ulong.MaxValue : (ulong)random.NextInt64(),
            LogProbabilities = random.Next(2) == 0 ? null : ((int[])[0, 1, 5, 64])[random.Next(4)],
        };
        Assert.Null(sampling.Check(vocabulary));
        SequenceRequest plain = EngineRig.Request(prompt, 1000, sampling);
        SequenceRequest request = plain with { GeneratedInPrompt = generated, MinTokens = random.Next(2) * 100 };
        var stop = new StopRules(endTokens, request, null);
        return new Sequence(request, 2000, new BlockHashChain(0, 8), stop, new StreamOutput(new OutputSignal()));
    }

    // Half of the time what means "off"; otherwise an end, a neighbour of one, or something between.
    private static float Value(Random random, SamplingRange range, float off)
    {
        if (random.Next(2) == 0)
        {
            return off;
        }

        float least = (float)range.Least;
        float most = (float)range.Most;
        float value = random.Next(7) switch
        {
            0 => least,
            1 => MathF.BitIncrement(least),
            2 => most,
            3 => MathF.BitDecrement(most),
            4 => MathF.BitIncrement(off),
            5 => MathF.BitDecrement(off),
            _ => least + (random.NextSingle() * (most - least)),
        };
        return Math.Clamp(value, least, most);
    }

    private static float[] RandomLogits(Random random, int vocabulary)
    {
        float scale = ((float[])[1, 10, 1e-40f, 1e30f, 3e38f])[random.Next(5)];
        float[] logits = [.. Enumerable.Range(0, vocabulary).Select(_ => ((random.NextSingle() * 2) - 1) * scale)];
        switch (random.Next(8))
        {
            case 0:
                Array.Fill(logits, Extremes[random.Next(Extremes.Length)]);
                break;
            case 1:
                Array.Fill(logits, float.NegativeInfinity);
                logits[random.Next(vocabulary)] = Extremes[random.Next(4, Extremes.Length)];
                break;
            case 2:
                logits[random.Next(vocabulary)] = Extremes[random.Next(Extremes.Length)];
                break;
            case 3:
                for (int i = 0; i < vocabulary; i++)
                {
                    // Numbers and −∞ only.
                    logits[i] = Extremes[random.Next(3, Extremes.Length)];
                }

                break;
            case 4:
                for (int i = 0; i < vocabulary; i++)
                {
                    logits[i] = random.Next(3) == 0 ? float.NegativeInfinity : logits[i];
                }

                break;
            case 5:
                for (int i = 0; i < vocabulary; i++)
                {
                    logits[i] = MathF.Round(logits[i] / scale) * scale;
                }

                break;
        }

        return logits;
    }
}
