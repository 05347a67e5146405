using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client;
using ServingGrid.Grains.Status;

namespace ServingGrid.Grains.Tests.Status;

public sealed class RequestsInFlightTests
{
    [Fact]
    public void List_AnswerThatMayHaveLeftItsClass_SaysWhereItBegan()
    {
        RequestsInFlight requests = new(new FakeTimeProvider());
        GenerateRequest asked = new() { RequestId = "r", Model = "m", Prompt = [1] };
        GenerateAttempt attempt = new() { Request = asked, Number = 3, ChangedFrom = "x" };
        using RequestInFlight request = requests.Begin(attempt, forPeer: false);

        RequestStatus status = Assert.Single(requests.List());
        Assert.Equal((3, "x"), (status.Attempt, status.ChangedFrom));
    }

    [Theory]
    [InlineData("x", null)]
    [InlineData("y", "x")]
    public void List_AnswerThatMayLeaveItsClass_SaysWhereItBeganOnlyIfItDoes(string numerics, string? expected)
    {
        RequestsInFlight requests = new(new FakeTimeProvider());
        GenerateAttempt attempt = new() { Request = new GenerateRequest { RequestId = "r", Model = "m", Prompt = [1] }, ChangedFrom = "x" };
        using RequestInFlight request = requests.Begin(attempt, forPeer: false, numerics);

        Assert.Equal(expected, Assert.Single(requests.List()).ChangedFrom);
    }
}
