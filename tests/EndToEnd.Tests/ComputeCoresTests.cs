using System.Text.Json.Nodes;
using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>Where the threads of a real process run, and when, as Linux shows them while it serves.</summary>
public sealed class ComputeCoresTests
{
    private const string NeedsTwoCores = "needs two cores";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Threads_OneComputeCore_ComputeIsAloneThereAndAtItsPriority()
    {
        int[] cores = LinuxCores();
        Assert.SkipUnless(cores.Length >= 2, NeedsTwoCores);
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--device", "cpu", "--compute-cores", $"{cores[^1]}", "--compute-priority", "low");
        await AnswerAsync(gateway);

        IReadOnlyList<LinuxThread> threads = LinuxThread.Of(gateway.Process.Id);
        LinuxThread engine = Assert.Single(threads, thread => thread.Computes);
        Assert.Equal([cores[^1]], engine.Cores);
        Assert.All(threads, thread => Assert.Equal(thread.Computes ? [cores[^1]] : cores[..^1], thread.Cores));
        Assert.All(threads, thread => Assert.Equal(thread.Computes, thread.IsIdlePolicy));
    }

    [Fact]
    public async Task Threads_AllCoresCompute_OneOnEachInOrderAndTheRestOnAny()
    {
        int[] cores = LinuxCores();
        Assert.SkipUnless(cores.Length >= 2, NeedsTwoCores);
        await using GatewayProcess gateway = await GatewayProcess.StartAsync("--device", "cpu", "--compute-cores", string.Join(',', cores.Reverse()));
        await AnswerAsync(gateway);

        IReadOnlyList<LinuxThread> threads = LinuxThread.Of(gateway.Process.Id);
        Assert.Equal(cores.Length, threads.Count(thread => thread.Computes));
        Assert.Equal([cores[^1]], threads.Single(thread => thread.Name.StartsWith("engine", StringComparison.Ordinal)).Cores);
        Assert.Equal([cores[^2]], threads.Single(thread => thread.Name == "cpu-worker-1").Cores);
        Assert.All(threads, thread => Assert.True(thread.Computes || thread.Cores.SequenceEqual(cores), $"{thread}"));
        Assert.DoesNotContain(threads, thread => thread.IsIdlePolicy);
    }

    [Theory]
    [InlineData("core 1023: this process may use", "--device", "cpu", "--compute-cores", "1023")]
    [InlineData("2 threads do not fit on 1 compute cores", "--compute-cores", "0", "--threads", "2")]
    [InlineData("'1-' is not a core", "--compute-cores", "1-")]
    [InlineData("are for the device cpu, not for ilgpu-cpu", "--compute-priority", "low", "--device", "ilgpu-cpu")]
    public async Task Start_CoresThatCannotBe_OneSentence(string sentence, params string[] options)
    {
        LinuxCores();
        await using ProgramRun run = GatewayProcess.Launch(["--urls", "http://127.0.0.1:0", .. options]);
        Assert.Equal(1, await run.WaitForExitAsync(Patience));
        Assert.Contains(sentence, Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    private static int[] LinuxCores()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        return LinuxThread.OwnCores();
    }

    // Several at a time, so that the engine wakes threads of the pool, which are created for it.
    private static Task AnswerAsync(GatewayProcess gateway) => Task.WhenAll(Enumerable.Range(0, 8).Select(i => gateway.CallAsync("/v1/completions", new JsonObject
    {
        ["model"] = "grid-tiny",
        ["prompt"] = $"Story {i}:",
        ["max_tokens"] = 24,
    })));
}
