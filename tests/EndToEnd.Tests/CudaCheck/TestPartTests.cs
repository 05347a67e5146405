using ServingGrid.Benchmarks.Devices.Check;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests.CudaCheck;

/// <summary>Tests on a GPU whose first defect must not hide the others: with a test program that is a script.</summary>
public sealed class TestPartTests : IDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(5);

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task RunAsync_TestThatLosesTheDevice_OthersRunInAProcessOfTheirOwn()
    {
        // First skips what has been settled, as xunit's filter does: only the method after it is left in the second round.
        TestPart part = await RunAsync("""
            case "$*" in
              *-method-*X.First*) begin; passed Second ;;
              *) begin; failed First DeviceException; failed Second DeviceException ;;
            esac
            end
            """);
        Assert.Equal([("X.First", TestOutcome.Failed), ("X.Second", TestOutcome.Passed)], Outcomes(part));
        Assert.Equal((2, null), (part.Rounds, part.Incomplete));
    }

    [Fact]
    public async Task RunAsync_EveryTestLosesTheDevice_EachIsTriedAloneAndItEnds()
    {
        TestPart part = await RunAsync("""
            begin
            case "$*" in
              *X.First*X.Second*) failed Third DeviceException ;;
              *X.First*) failed Second DeviceException; failed Third DeviceException ;;
              *) failed First DeviceException; failed Second DeviceException; failed Third DeviceException ;;
            esac
            end
            """);
        Assert.Equal([("X.First", TestOutcome.Failed), ("X.Second", TestOutcome.Failed), ("X.Third", TestOutcome.Failed)], Outcomes(part));
        Assert.Equal((3, null), (part.Rounds, part.Incomplete));
    }

    [Fact]
    public async Task RunAsync_TestThatHangs_IsStoppedAndOthersRun()
    {
        TestPart part = await RunAsync(
            """
            case "$*" in
              *-method-*X.First*) begin; passed Second; end ;;
              *) begin; started First; sleep 1000 ;;
            esac
            """,
            silence: TimeSpan.FromSeconds(2));
        Assert.Equal([("X.First", TestOutcome.Failed), ("X.Second", TestOutcome.Passed)], Outcomes(part));
        Assert.StartsWith("stopped: it had shown no sign of life for 2 s", part.Log.Results[0].Message, StringComparison.Ordinal);
        Assert.Equal((2, null), (part.Rounds, part.Incomplete));
    }

    [Fact]
    public async Task RunAsync_TestThatEndsTheProcess_IsNamedAndOthersRun()
    {
        TestPart part = await RunAsync("""
            case "$*" in
              *-method-*X.First*) begin; passed Second; end ;;
              *) begin; started First; exit 139 ;;
            esac
            """);
        Assert.Equal([("X.First", TestOutcome.Failed), ("X.Second", TestOutcome.Passed)], Outcomes(part));
        Assert.Equal("the process ended during this test, with exit code 139", part.Log.Results[0].Message);
    }

    [Fact]
    public async Task RunAsync_TestThatFailsByItself_NoSecondProcess()
    {
        TestPart part = await RunAsync("begin; failed First EqualException; passed Second; end");
        Assert.Equal([("X.First", TestOutcome.Failed), ("X.Second", TestOutcome.Passed)], Outcomes(part));
        Assert.Equal((1, null), (part.Rounds, part.Incomplete));
        Assert.Equal("it is wrong", part.Log.Results[0].Message);
    }

    [Fact]
    public async Task RunAsync_OutOfTime_KeepsWhatThereIs()
    {
        TestPart part = await RunAsync("begin; passed First; started Second; sleep 1000", limit: TimeSpan.FromSeconds(2));
        Assert.Equal([("X.First", TestOutcome.Passed), ("X.Second", TestOutcome.Failed)], Outcomes(part));
        Assert.Equal("stopped, because it had not ended after 2 s", part.Incomplete);
    }

    [Fact]
    public async Task RunAsync_ProgramThatDoesNotStart_SaysSo()
    {
        TestPart part = await RunAsync("echo 'No usable version of libssl was found'; exit 134");
        Assert.Empty(part.Log.Results);
        Assert.Equal("the program ended with exit code 134 before its tests began", part.Incomplete);
        Assert.Equal(["No usable version of libssl was found"], part.Log.Other);
    }

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<(string, TestOutcome)> Outcomes(TestPart part) =>
        part.Log.Results.Select(result => (result.Name, result.Outcome));

    private async Task<TestPart> RunAsync(string body, TimeSpan? limit = null, TimeSpan? silence = null)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "cuda-check is for Linux.");
        string script = _folder.Combine("tests");
        await File.WriteAllTextAsync(script, $$"""
            say() { printf '%s\n' "$1"; }
            begin() { say '{"$type":"test-class-starting","TestClassUniqueID":"c","TestClassName":"X"}'; }
            end() { say '{"$type":"test-assembly-finished"}'; }
            started() {
              say '{"$type":"test-method-starting","TestClassUniqueID":"c","TestMethodUniqueID":"m'$1'","MethodName":"'$1'"}'
              say '{"$type":"test-starting","TestMethodUniqueID":"m'$1'","TestUniqueID":"'$1'","TestDisplayName":"X.'$1'"}'
            }
            passed() { started $1; say '{"$type":"test-passed","TestUniqueID":"'$1'","ExecutionTime":0.25}'; }
            wrong() { say '{"$type":"test-failed","TestUniqueID":"'$1'","ExceptionTypes":["'$2'"],"Messages":["it is wrong"]}'; }
            failed() { started $1; wrong $1 ServingGrid.Kernels.$2; }
            {{body}}
            """);
        var part = new TestPart(new ChildProgram(new Dictionary<string, string?>()), script, silence);
        await part.RunAsync("bash", limit ?? Long, TestContext.Current.CancellationToken);
        return part;
    }
}
