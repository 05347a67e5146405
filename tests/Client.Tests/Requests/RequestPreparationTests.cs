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
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Prepare_OutOfRange_NamesTheField(GenerateRequest request, string parameter)
    {
        GridException failure = Assert.Throws<GridException>(() => RequestPreparation.Prepare(request, Model));

        Assert.Equal((GridError.InvalidRequest, parameter), (failure.Error, failure.Parameter));
    }
}
