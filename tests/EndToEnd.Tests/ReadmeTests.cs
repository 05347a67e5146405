using System.Text.RegularExpressions;
using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.EndToEnd.Tests;

/// <summary>The commands of the README work as they stand, builds included; only the store's path and the port are the test's own.</summary>
public sealed partial class ReadmeTests : IDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromMinutes(3);

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Grid_OfThreeCommands_Serves()
    {
        Nightly.SkipUnlessEnabled();
        string[] commands =
        [
            .. (await File.ReadAllLinesAsync(RepositoryRoot.Combine("README.md"))).Where(line => line.StartsWith("dotnet run", StringComparison.Ordinal) && line.Contains("--cluster file:")),
        ];
        Assert.Equal(3, commands.Length);
        List<ProgramRun> runs = [];
        try
        {
            // One after the other: each builds what the next one builds, too.
            foreach (string command in commands)
            {
                string[] words = command.Replace("/tmp/grid.db", _folder.Combine("grid.db")).Split(' ');
                bool isGateway = command.Contains("src/Gateway");
                runs.Add(new ProgramRun(words[0], isGateway ? [.. words[1..], "--urls", "http://127.0.0.1:0"] : words[1..], RepositoryRoot.Path));
                await runs[^1].WaitForOutputAsync(isGateway ? Address() : Ready(), StartPatience);
            }

            using var http = new HttpClient { BaseAddress = new Uri(Address().Match(runs[^1].Output).Groups[1].Value) };
            string grid = await http.GetStringAsync("/grid");
            Assert.Contains("\"role\":\"prefill\"", grid);
            Assert.Contains("\"role\":\"decode\"", grid);
            using HttpResponseMessage answer = await http.PostAsync(
                "/v1/completions", new StringContent("""{"model":"grid-tiny","prompt":"Once upon","max_tokens":8}"""));
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        }
        finally
        {
            foreach (ProgramRun run in Enumerable.Reverse(runs))
            {
                await run.DisposeAsync();
            }
        }
    }

    public void Dispose() => _folder.Dispose();

    [GeneratedRegex(@"(?m)^ready: ")]
    private static partial Regex Ready();

    [GeneratedRegex(@"(?m)^  address +(http[^,\s]*)")]
    private static partial Regex Address();
}
