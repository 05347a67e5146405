using System.IO.Pipelines;
using System.Text;
using ServingGrid.Client.Connections;

namespace ServingGrid.Client.Tests.Connections;

public sealed class ClusterHandshakeTests
{
    private const string Secret = "a secret of the test cluster";

    private readonly Pipe _toListener = new();
    private readonly Pipe _toConnector = new();
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromSeconds(30));

    private DuplexPipe Listener => new(_toListener.Reader, _toConnector.Writer);

    private DuplexPipe Connector => new(_toConnector.Reader, _toListener.Writer);

    [Theory]
    [InlineData(Secret)]
    [InlineData("")]
    public async Task Handshake_SameSecret_BothGoOnWithWhatFollows(string secret)
    {
        await Task.WhenAll(
            ClusterHandshake.AsListenerAsync(Listener, secret, _limit.Token),
            ClusterHandshake.AsConnectorAsync(Connector, secret, _limit.Token));

        await _toListener.Writer.WriteAsync("to the listener"u8.ToArray(), _limit.Token);
        await _toConnector.Writer.WriteAsync("to the connector"u8.ToArray(), _limit.Token);
        Assert.Equal("to the listener", await ReadAsync(_toListener.Reader));
        Assert.Equal("to the connector", await ReadAsync(_toConnector.Reader));
    }

    [Theory]
    [InlineData(Secret, "another secret, just as long")]
    [InlineData(Secret, "")]
    [InlineData("", Secret)]
    public async Task Handshake_AnotherSecret_BothAreTold(string listener, string connector)
    {
        Task first = ClusterHandshake.AsListenerAsync(Listener, listener, _limit.Token);
        Task second = ClusterHandshake.AsConnectorAsync(Connector, connector, _limit.Token);
        await Assert.ThrowsAsync<ClusterSecretException>(() => first);
        await Assert.ThrowsAsync<ClusterSecretException>(() => second);
    }

    [Fact]
    public async Task AsListener_ProofThatWasRecorded_Refused()
    {
        var recorder = new Pipe();
        Task first = ClusterHandshake.AsListenerAsync(Listener, Secret, _limit.Token);
        await ClusterHandshake.AsConnectorAsync(
            new DuplexPipe(_toConnector.Reader, new Recorder(_toListener.Writer, recorder.Writer)), Secret, _limit.Token);
        await first;
        await recorder.Writer.CompleteAsync();
        ReadResult recorded = await recorder.Reader.ReadAsync(_limit.Token);

        Task again = ClusterHandshake.AsListenerAsync(Listener, Secret, _limit.Token);
        foreach (ReadOnlyMemory<byte> piece in recorded.Buffer)
        {
            await _toListener.Writer.WriteAsync(piece, _limit.Token);
        }

        await Assert.ThrowsAsync<ClusterSecretException>(() => again);
    }

    [Fact]
    public async Task AsListener_OrleansWithoutHandshake_Refused()
    {
        await _toListener.Writer.WriteAsync(new byte[200], _limit.Token);
        await Assert.ThrowsAsync<ClusterSecretException>(() => ClusterHandshake.AsListenerAsync(Listener, "", _limit.Token));
    }

    [Fact]
    public async Task AsListener_Nothing_EndsWithItsDeadline()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ClusterHandshake.AsListenerAsync(Listener, Secret, deadline.Token));
    }

    [Fact]
    public async Task AsConnector_TheOtherEndCloses_IsNoMatterOfTheSecret()
    {
        await _toConnector.Writer.CompleteAsync();
        await Assert.ThrowsAsync<IOException>(() => ClusterHandshake.AsConnectorAsync(Connector, Secret, _limit.Token));
    }

    private async Task<string> ReadAsync(PipeReader reader)
    {
        ReadResult read = await reader.ReadAsync(_limit.Token);
        string text = Encoding.ASCII.GetString(read.Buffer);
        reader.AdvanceTo(read.Buffer.End);
        return text;
    }

    private sealed class DuplexPipe(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }

    private sealed class Recorder(PipeWriter output, PipeWriter record) : PipeWriter
    {
        public override void Advance(int bytes) => output.Advance(bytes);

        public override void CancelPendingFlush() => output.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => output.Complete(exception);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) =>
            output.FlushAsync(cancellationToken);

        public override Memory<byte> GetMemory(int sizeHint = 0) => output.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => output.GetSpan(sizeHint);

        public override async ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
        {
            await record.WriteAsync(source, cancellationToken);
            return await output.WriteAsync(source, cancellationToken);
        }
    }
}
