using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Tests.Requests;

public sealed class PromptHashesTests
{
    private static readonly ModelCard Card = new()
    {
        Name = "m",
        Fingerprint = "f",
        ContextLength = 1000,
        VocabularySize = 100,
        BlockSize = 32,
        Created = DateTimeOffset.UnixEpoch,
        Numerics = ["x", "y"],
    };

    private static readonly GenerateAttempt Attempt = new()
    {
        Request = new GenerateRequest { RequestId = "r", Model = "m", Prompt = [.. Enumerable.Range(0, 70)] },
    };

    /// <summary>Equal hashes mean equal KV, and another class has computed other bits.</summary>
    [Fact]
    public void Compute_SeveralClasses_TheBlocksHaveOtherNamesInEach()
    {
        ulong[][] hashes = PromptHashes.Compute(Attempt, Card);

        Assert.Equal(2, hashes.Length);
        Assert.Equal([2, 2], hashes.Select(chain => chain.Length));
        Assert.Equal(4, hashes.SelectMany(chain => chain).Distinct().Count());
        Assert.Equal(hashes[1], PromptHashes.Compute(Attempt, Card, "y"));
    }

    [Fact]
    public void Compute_AttemptThatMustStayInAClass_ItsNamesAlone() =>
        Assert.Equal([PromptHashes.Compute(Attempt, Card, "y")], PromptHashes.Compute(Attempt with { Numerics = "y" }, Card));

    [Fact]
    public void Compute_CardThatNamesNoClass_NoHashes() => Assert.Empty(PromptHashes.Compute(Attempt, Card with { Numerics = null }));
}
