using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Requests;
using ServingGrid.Grains.Status;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Requests;

public sealed class SequenceReaderTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(400);

    private readonly Channel<SequenceUpdate> _updates = Channel.CreateUnbounded<SequenceUpdate>();
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Next_NoPush_AllThatIsThereAtOnceIsOneItem()
    {
        SequenceReader reader = New(push: false);
        Task<GenerateUpdate?> next = reader.Next(Patience, Cancellation);
        Publish(1, 2);

        Assert.Null(reader.Read());
        Assert.Equal([1, 2], (await next)!.Tokens.Select(token => token.Token));
    }

    [Fact]
    public async Task Next_Push_TokensAreReadForPushingAndComeAgainWithTheHeartbeat()
    {
        SequenceReader reader = New(push: true);
        Task<GenerateUpdate?> next = reader.Next(Patience, Cancellation);
        Publish(1, 2);
        PushedTokens first = reader.Read()!.Value;
        Publish(3);
        PushedTokens second = reader.Read()!.Value;

        Assert.Null(reader.Read());
        Assert.Equal((9, 0, 2), (first.Stream, first.First, first.Tokens.Length));
        Assert.Equal(("n", null), (first.Numerics, second.Numerics));
        Assert.Equal((2, 3), (second.First, Assert.Single(second.Tokens).Token));
        Assert.False(next.IsCompleted);
        _time.Advance(Patience);
        Assert.Equal([1, 2, 3], (await next)!.Tokens.Select(token => token.Token));
        Publish(4);
        Assert.Equal(3, reader.Read()!.Value.First);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Next_NothingWithinPatience_Null(bool push)
    {
        Task<GenerateUpdate?> next = New(push).Next(Patience, Cancellation);
        _time.Advance(Patience);

        Assert.Null(await next);
    }

    [Fact]
    public async Task Next_Push_TheEndComesAtOnceWithTheTokensSinceTheHeartbeat()
    {
        SequenceReader reader = New(push: true);
        Task<GenerateUpdate?> next = reader.Next(Patience, Cancellation);
        Publish(1);
        Assert.NotNull(reader.Read());
        Publish(2);
        End();

        Assert.Null(reader.Read());
        GenerateUpdate end = (await next)!;
        Assert.Equal([1, 2], end.Tokens.Select(token => token.Token));
        Assert.Equal((FinishReason.Length, 2), (end.Finish, end.Usage!.CompletionTokens));
        Assert.True(reader.Ended);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Next_SequenceFails_TokensBeforeItFirst(bool push)
    {
        SequenceReader reader = New(push);
        Publish(1);
        _updates.Writer.Complete(new EngineException(EngineFailure.Stopped, "gone"));
        reader.Read();

        Assert.Equal([1], (await reader.Next(Patience, Cancellation))!.Tokens.Select(token => token.Token));
        GridException failure = await Assert.ThrowsAsync<GridException>(() => reader.Next(Patience, Cancellation));
        Assert.Equal((GridError.Unavailable, "gone"), (failure.Error, failure.Message));
    }

    [Theory]
    [InlineData(EngineFailure.SequenceFailed, GridError.RequestFailed)]
    [InlineData(EngineFailure.InvalidOutput, GridError.RequestFailed)]
    [InlineData(EngineFailure.DeviceFailed, GridError.Unavailable)]
    [InlineData(EngineFailure.Stopped, GridError.Unavailable)]
    public async Task Next_SequenceFails_SaysWhetherItIsToBlameAndWhere(EngineFailure failure, GridError error)
    {
        SequenceReader reader = New(push: false);
        _updates.Writer.Complete(new EngineException(failure, "gone"));
        reader.Read();

        GridException thrown = await Assert.ThrowsAsync<GridException>(() => reader.Next(Patience, Cancellation));
        Assert.Equal((error, error == GridError.RequestFailed ? "silo1/cpu" : null), (thrown.Error, thrown.Device));
    }

    [Fact]
    public async Task Next_Cancelled_Throws()
    {
        using CancellationTokenSource stop = new();
        Task<GenerateUpdate?> next = New(push: true).Next(Patience, stop.Token);
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
    }

    [Fact]
    public async Task CountEnd_EndIsReadLater_WaitsForIt()
    {
        SequenceReader reader = New(push: true);
        Task counted = reader.CountEnd(TimeSpan.FromSeconds(2));
        Publish(1);
        reader.Read();
        Assert.False(counted.IsCompleted);
        End();
        reader.Read();

        await counted.WaitAsync(TimeSpan.FromSeconds(60), Cancellation);
        Assert.True(reader.Ended);
    }

    private SequenceReader New(bool push)
    {
        RequestsInFlight requests = new(_time);
        GenerateAttempt attempt = new() { Request = new GenerateRequest { RequestId = "r", Model = "m", Prompt = [1], MaxTokens = 3 } };
        return new SequenceReader(
            _updates.Reader, FakeDevices.Identity(1), push ? new TokenRoute(new NoSink(), 9) : null, requests.Begin(attempt, forPeer: false), new RequestMetrics("m", _time), _time);
    }

    private void Publish(params int[] tokens)
    {
        foreach (int token in tokens)
        {
            _updates.Writer.TryWrite(new SequenceUpdate(new ChosenToken(token), null));
        }
    }

    private void End()
    {
        _updates.Writer.TryWrite(new SequenceUpdate(null, new SequenceEnd(FinishCause.Length, null, new SequenceUsage(1, 0, 2), new SequenceTimeline(1, 2, 3, 4))));
        _updates.Writer.Complete();
    }

    private sealed class NoSink : ITokenSink
    {
        public void Push(PushedTokens[] tokens) => throw new InvalidOperationException("The reader sends nothing itself.");
    }
}
