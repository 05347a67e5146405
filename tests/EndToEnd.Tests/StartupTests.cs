using System.Net;
using System.Net.Sockets;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>What cannot start says why in one sentence and exits with 1.</summary>
public sealed class StartupTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Start_Help_ExplainsAndEndsWith0()
    {
        await using ProgramRun run = GatewayProcess.Launch("--help");
        Assert.Equal(0, await run.WaitForExitAsync(Patience));
        Assert.Contains("--model PATH", run.Output);
    }

    [Theory]
    [InlineData("--frob", "--frob")]
    [InlineData("--threads", "--threads=none")]
    [InlineData("absent.gguf", "--model=absent.gguf")]
    [InlineData("no-such-device", "--device=no-such-device")]
    public async Task Start_WrongOption_OneSentenceThatNamesIt(string named, string option) => await AssertRefusedAsync(named, option);

    [Theory]
    [InlineData(100)]
    [InlineData(60_000)]
    [InlineData(-1)]
    public async Task Start_TruncatedModel_OneSentenceThatNamesTheFile(int length)
    {
        byte[] model = await File.ReadAllBytesAsync(ModelFiles.Bundled);
        await AssertModelRefusedAsync(model[..(length < 0 ? model.Length + length : length)]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(16)]
    public async Task Start_CorruptModel_OneSentenceThatNamesTheFile(int offset)
    {
        byte[] model = await File.ReadAllBytesAsync(ModelFiles.Bundled);
        model.AsSpan(offset, 8).Fill(0xEE);
        await AssertModelRefusedAsync(model);
    }

    [Fact]
    public async Task Start_PortInUse_OneSentenceThatNamesIt()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        string url = $"http://127.0.0.1:{((IPEndPoint)taken.LocalEndpoint).Port}";
        await AssertRefusedAsync(url, "--urls", url);
    }

    /// <summary>Before the silo starts: nothing of Orleans is in the log.</summary>
    [Fact]
    public async Task Start_KvTypeThatTheDeviceDoesNotHave_OneSentence()
    {
        using var folder = new TemporaryFolder();
        await using ProgramRun run = new("dotnet",
        [
            Path.Combine(AppContext.BaseDirectory, "ServingGrid.Silo.dll"), "--model", ModelFiles.Bundled, "--device", "ilgpu-cpu", "--kv-type", "q8",
            "--cluster", $"file:{Path.Combine(folder.Path, "members.db")}",
        ]);
        await AssertRefusedAsync(run, "GPU devices keep keys and values as F16 or F32, not as Q8");
    }

    [Fact]
    public async Task Start_SiloOfALocalGrid_OneSentence()
    {
        await using ProgramRun run = new(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, "ServingGrid.Silo.dll"), "--model", ModelFiles.Bundled, "--cluster", "local"]);
        await AssertRefusedAsync(run, "a local grid is one process");
    }

    private static async Task AssertModelRefusedAsync(byte[] model)
    {
        string path = Path.Combine(Path.GetTempPath(), $"broken-{Guid.NewGuid():N}.gguf");
        await File.WriteAllBytesAsync(path, model);
        try
        {
            await AssertRefusedAsync(Path.GetFileName(path), "--model", path, "--urls", "http://127.0.0.1:0");
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static async Task AssertRefusedAsync(string named, params string[] arguments)
    {
        await using ProgramRun run = GatewayProcess.Launch(arguments);
        await AssertRefusedAsync(run, named);
    }

    private static async Task AssertRefusedAsync(ProgramRun run, string named)
    {
        int code = await run.WaitForExitAsync(Patience);
        Assert.True(code == 1, $"{code}\n{run.Output}{run.Error}");
        Assert.Equal("", run.Output);
        string sentence = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(named, sentence);
    }
}
