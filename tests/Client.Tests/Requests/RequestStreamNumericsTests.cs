using ServingGrid.Client.Requests;

namespace ServingGrid.Client.Tests.Requests;

/// <summary>An answer stays in the class of arithmetic that it began in, or says that it has left it.</summary>
public sealed class RequestStreamNumericsTests : RequestStreamScripts
{
    private static readonly GridException Gone = new(GridError.NumericsGone, "No device of numerics class x is left.");

    [Fact]
    public async Task Read_SiloLostAfterTokens_NextAttemptsMustStayInTheClass()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number switch
        {
            0 => [In("x"), Tokens(1), new TimeoutException()],
            1 => [In("x"), new TimeoutException()],
            _ => [In("x"), Tokens(2), Finish(FinishReason.Stop)],
        });

        Assert.Equal([null, "x", "x"], Attempts.Select(attempt => attempt.Numerics));
        Assert.All(Attempts, attempt => Assert.Null(attempt.ChangedFrom));
        Assert.Equal(["x", "x", null], items.Select(item => item.Numerics));
    }

    [Fact]
    public async Task Read_SiloLostBeforeTheFirstToken_AnyClassMayTakeIt()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number == 0
            ? [In("x"), new GenerateUpdate(), new TimeoutException()]
            : [In("y"), Tokens(1), Finish(FinishReason.Stop)]);

        Assert.Null(Attempts[1].Numerics);
        Assert.Equal("y", items[0].Numerics);
    }

    [Fact]
    public async Task Read_ClassHasNoDeviceLeft_UnavailableThatSaysSo()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(
            attempt => attempt.Number == 0 ? [In("x"), Tokens(1), new TimeoutException()] : [Gone],
            new GridClientOptions { MaxAttempts = 3 }));

        Assert.Equal(GridError.Unavailable, failure.Error);
        Assert.Contains("no device of numerics class x, in which the answer began, is left", failure.Message);
        Assert.Equal([null, "x", "x"], Attempts.Select(attempt => attempt.Numerics));
    }

    [Fact]
    public async Task Read_ClassComesBackInTime_GoesOnInIt()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number switch
        {
            0 => [In("x"), Tokens(1), new TimeoutException()],
            1 => [Gone],
            _ => [In("x"), Tokens(2), Finish(FinishReason.Stop)],
        });

        Assert.Equal([1, 2], items.SelectMany(item => item.Tokens).Select(token => token.Token));
        Assert.Equal("x", Attempts[2].Numerics);
    }

    [Fact]
    public async Task Read_ClassHasNoDeviceLeftAndItMayChange_GoesOnInAnotherAndStaysThere()
    {
        List<GenerateUpdate> items = await Read(
            attempt => attempt.Number switch
            {
                0 => [In("x"), Tokens(1), new TimeoutException()],
                1 => [Gone],
                2 => [In("y"), Tokens(2), new TimeoutException()],
                _ => [In("y"), Tokens(3), Finish(FinishReason.Stop)],
            },
            new GridClientOptions { AllowNumericsChange = true });

        Assert.Equal([null, "x", null, "y"], Attempts.Select(attempt => attempt.Numerics));
        Assert.Equal([null, null, "x", "x"], Attempts.Select(attempt => attempt.ChangedFrom));
        Assert.Equal([1, 2], Attempts[3].Generated);
        Assert.Equal(["x", "y", "y", null], items.Select(item => item.Numerics));
    }

    /// <summary>A device of the class has come back, or has become reachable, between the release and the next attempt.</summary>
    [Fact]
    public async Task Read_ReleasedButGoesOnInItsClass_TheClassIsRequiredAgain()
    {
        List<GenerateUpdate> items = await Read(
            attempt => attempt.Number switch
            {
                0 => [In("x"), Tokens(1), new TimeoutException()],
                1 => [Gone],
                2 => [In("x"), Tokens(2), new TimeoutException()],
                _ => [In("x"), Tokens(3), Finish(FinishReason.Stop)],
            },
            new GridClientOptions { AllowNumericsChange = true });

        Assert.Equal([null, "x", null, "x"], Attempts.Select(attempt => attempt.Numerics));
        Assert.Null(Attempts[3].ChangedFrom);
        Assert.Equal(["x", "x", "x", null], items.Select(item => item.Numerics));
    }

    [Fact]
    public async Task Read_MayChangeButTheClassGoesWithTheLastAttempt_SaysWhatTheGridSaid()
    {
        GridException failure = await Assert.ThrowsAsync<GridException>(() => Read(
            attempt => attempt.Number == 0 ? [In("x"), Tokens(1), new TimeoutException()] : [Gone],
            new GridClientOptions { AllowNumericsChange = true, MaxAttempts = 2 }));

        Assert.Equal(GridError.Unavailable, failure.Error);
        Assert.EndsWith(Gone.Message, failure.Message);
        Assert.DoesNotContain("does not allow", failure.Message);
    }

    /// <summary>That a class is gone is said by the grid alone: a device that is merely busy or lost is no reason to leave it.</summary>
    [Fact]
    public async Task Read_MayChangeButTheClassIsNotGone_StaysInIt()
    {
        await Assert.ThrowsAsync<GridException>(() => Read(
            attempt => attempt.Number == 0
                ? [In("x"), Tokens(1), new TimeoutException()]
                : [new GridException(GridError.Unavailable, "busy")],
            new GridClientOptions { AllowNumericsChange = true, MaxAttempts = 3 }));

        Assert.Equal([null, "x", "x"], Attempts.Select(attempt => attempt.Numerics));
    }

    /// <summary>Tokens are pushed ahead of the stream, whose first item may be lost with the silo.</summary>
    [Fact]
    public async Task Read_PushedTokensOvertakeTheFirstItem_TheirClassIsKnown()
    {
        List<string?> asked = [];
        RequestStream stream = New((attempt, items, _) =>
        {
            asked.Add(attempt.Numerics);
            items.Push(0, [new GeneratedToken(1)], attempt.Number == 0 ? "x" : null);
            return AsyncEnumerable.Range(0, 1).Select(_ => attempt.Number == 0 ? throw new TimeoutException() : Finish(FinishReason.Stop));
        });
        await stream.Read(Request, CancellationToken.None).ToListAsync();

        Assert.Equal([null, "x"], asked);
    }

    [Fact]
    public async Task Read_SiloThatDoesNotSayItsClass_AsBefore()
    {
        List<GenerateUpdate> items = await Read(attempt => attempt.Number == 0
            ? [On("a"), Tokens(1), new TimeoutException()]
            : [On("b"), Tokens(2), Finish(FinishReason.Stop)]);

        Assert.All(Attempts, attempt => Assert.Null(attempt.Numerics));
        Assert.All(items, item => Assert.Null(item.Numerics));
    }

    private static GenerateUpdate In(string numerics) => new() { Device = "d", Numerics = numerics };
}
