using ServingGrid.Grains.Routing;

namespace ServingGrid.Grains.Tests.Routing;

public sealed class RoutingPolicyTests
{
    private static readonly RoutingRequest Request = new(PromptTokens: 320, BlockSize: 32);

    public static TheoryData<string> Names => [.. RoutingPolicies.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Choose_AnyCandidates_ValidIndex(string name)
    {
        IRoutingPolicy policy = RoutingPolicies.Create(name);
        Random random = new(1);
        Assert.Equal(name, policy.Name);
        for (int i = 0; i < 1000; i++)
        {
            Candidate[] candidates = [.. Enumerable.Range(0, random.Next(1, 9)).Select(n => New(n, random.Next(320), random.Next(1000), random.Next(5), random.Next(100)))];
            Assert.InRange(policy.Choose(candidates, Request, random), 0, candidates.Length - 1);
        }
    }

    [Fact]
    public void KvAwareChoose_EqualDevices_AllGetTheirShare()
    {
        Candidate[] candidates = [New(0), New(1), New(2)];
        Random random = new(7);
        int[] counts = new int[3];
        for (int i = 0; i < 3000; i++)
        {
            counts[new KvAwarePolicy().Choose(candidates, Request, random)]++;
        }

        Assert.All(counts, count => Assert.InRange(count, 850, 1150));
    }

    [Fact]
    public void KvAwareCost_NoRoomForThePrompt_CostsMore() =>
        Assert.True(KvAwarePolicy.Cost(New(0, held: 96), Request) > KvAwarePolicy.Cost(New(0, held: 90), Request) + 6);

    [Fact]
    public void RoundRobinChoose_ManyTimes_EachInTurn()
    {
        RoundRobinPolicy policy = new();
        Candidate[] candidates = [New(0), New(1), New(2)];

        Assert.Equal([0, 1, 2, 0, 1, 2], Enumerable.Range(0, 6).Select(_ => policy.Choose(candidates, Request, Random.Shared)));
    }

    [Fact]
    public void LeastLoadedChoose_OneHasFewer_ThatOne() =>
        Assert.Equal(1, new LeastLoadedPolicy().Choose([New(0, requests: 3), New(1, requests: 1), New(2, requests: 2)], Request, new Random(1)));

    [Fact]
    public void Create_Unknown_NamesTheKnown() => Assert.Contains("kv-aware", Assert.Throws<ArgumentException>(() => RoutingPolicies.Create("x")).Message);

    private static Candidate New(int number, int cached = 0, long pending = 0, int requests = 0, int held = 0) =>
        new($"d{number}", cached, pending, requests, held, 100);
}
