using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Tests.Requests;

public sealed class RequestPreparationTests
{
    private static readonly ModelCard Model = new()
    {
        Name = "m",
        Fingerprint = "f",
        ContextLength = 100,
        VocabularySize = 50,
        BlockSize = 32,
        Created = DateTimeOffset.UnixEpoch,
    };

    private static readonly GenerateRequest Valid = new() { RequestId = "r", Model = "m", Prompt = [1, 2, 3] };

    [Fact]
    public void Prepare_NothingSaid_FillsLimitAndSeed()
    {
        GenerateRequest prepared = RequestPreparation.Prepare(Valid, Model);

        Assert.Equal(97, prepared.MaxTokens);
        Assert.NotNull(prepared.Sampling.Seed);
    }

    [Fact]
    public void Prepare_SeedGiven_Kept() =>
        Assert.Equal(7, RequestPreparation.Prepare(Valid with { Sampling = new SamplingOptions { Seed = 7 } }, Model).Sampling.Seed);

    [Fact]
    public void Prepare_TokensOfUnknownOrigin_TakenAsThoseOfTheModelAsItIsNow() =>
        Assert.Equal("f", RequestPreparation.Prepare(Valid, Model).Fingerprint);

    [Fact]
    public void Prepare_TokensOfAnotherFile_Refused()
    {
        GridException failure = Assert.Throws<GridException>(() => RequestPreparation.Prepare(Valid with { Fingerprint = "another" }, Model));

        Assert.Equal(GridError.ModelChanged, failure.Error);
    }

    public static TheoryData<GenerateRequest, string> Wrong => new()
    {
        { Valid with { Prompt = [] }, "prompt" },
        { Valid with { Prompt = [1, 50] }, "prompt" },
        { Valid with { Prompt = [-1] }, "prompt" },
        { Valid with { Prompt = new int[100] }, "prompt" },
        { Valid with { MaxTokens = 0 }, "max_tokens" },
        { Valid with { MaxTokens = 98 }, "max_tokens" },
        { Valid with { MaxTokens = 5, MinTokens = 6 }, "min_tokens" },
        { Valid with { StopStrings = ["a", ""] }, "stop" },
        { Valid with { Sampling = new SamplingOptions { RepetitionPenalty = 1e-38f, TopP = 0.9f } }, "repetition_penalty" },
        { Valid with { Sampling = new SamplingOptions { Temperature = float.NaN } }, "temperature" },
        { Valid with { Sampling = new SamplingOptions { TopP = -0.5f } }, "top_p" },
        { Valid with { Sampling = new SamplingOptions { TopK = -2 } }, "top_k" },
        { Valid with { Sampling = new SamplingOptions { MinP = 1.5f } }, "min_p" },
        { Valid with { Sampling = new SamplingOptions { PresencePenalty = 3 } }, "presence_penalty" },
        { Valid with { Sampling = new SamplingOptions { FrequencyPenalty = -3 } }, "frequency_penalty" },
        { Valid with { Sampling = new SamplingOptions { LogProbabilities = 65 } }, "logprobs" },
        { Valid with { Sampling = new SamplingOptions { LogitBias = new Dictionary<int, float> { [50] = 1 } } }, "logit_bias" },
        { Valid with { Sampling = new SamplingOptions { LogitBias = new Dictionary<int, float> { [1] = float.NaN } } }, "logit_bias" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Prepare_OutOfRange_NamesTheField(GenerateRequest request, string parameter)
    {
        GridException failure = Assert.Throws<GridException>(() => RequestPreparation.Prepare(request, Model));

        Assert.Equal((GridError.InvalidRequest, parameter), (failure.Error, failure.Parameter));
    }
}
