using System.Text;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>
/// The file of results, in Markdown: written anew after each part, so that a check that is broken off leaves what it had.
/// </summary>
internal sealed class CheckReport(string path, IReadOnlyList<(string Name, string Value)> about)
{
    // A lost device fails every test with the same words.
    private const int MostFailures = 40;
    private const int Slowest = 5;

    private readonly List<PartResult> _parts = [];

    public bool AllPassed => _parts.TrueForAll(part => part.Passed);

    /// <summary>Adds a part and writes the file.</summary>
    public void Add(PartResult part)
    {
        _parts.Add(part);
        Write("under way, or broken off after the last part below");
    }

    /// <param name="elapsed">What the whole check took.</param>
    public void Finish(TimeSpan elapsed) =>
        Write(FormattableString.Invariant($"{(AllPassed ? "" : "NOT ")}everything passed, in {elapsed.TotalSeconds:F0} s"));

    private void Write(string result)
    {
        var text = new StringBuilder();
        text.AppendLine("# CUDA check").AppendLine().AppendLine($"**Result: {result}**").AppendLine();
        text.AppendLine("| | |").AppendLine("| --- | --- |");
        foreach ((string name, string value) in about)
        {
            text.AppendLine($"| {name} | {value.ReplaceLineEndings(" ")} |");
        }

        text.AppendLine().AppendLine("| part | result | seconds | at most |").AppendLine("| --- | --- | ---: | ---: |");
        foreach (PartResult part in _parts)
        {
            string mark = part.Passed ? "" : "**";
            text.AppendLine(FormattableString.Invariant(
                $"| {part.Title} | {mark}{part.Verdict}{mark} | {part.Elapsed.TotalSeconds:F1} | {part.Limit.TotalSeconds:F0} |"));
        }

        foreach (PartResult part in _parts)
        {
            Append(text, part);
        }

        string unfinished = path + ".unfinished";
        File.WriteAllText(unfinished, text.ToString());
        File.Move(unfinished, path, overwrite: true);
    }

    private static void Append(StringBuilder text, PartResult part)
    {
        if (part.Output.Count == 0 && part.Tests.Count == 0)
        {
            return;
        }

        text.AppendLine().AppendLine($"## {char.ToUpperInvariant(part.Title[0])}{part.Title[1..]}");
        TestResult[] failures = [.. part.Tests.Where(test => test.Outcome == TestOutcome.Failed)];
        for (int i = 0; i < failures.Length; i++)
        {
            text.AppendLine().AppendLine($"Failed: `{failures[i].Name}`");
            if (i < MostFailures)
            {
                Block(text, [failures[i].Message, failures[i].Output]);
            }
        }

        foreach (var skipped in part.Tests.Where(test => test.Outcome == TestOutcome.Skipped).GroupBy(test => test.Message))
        {
            text.AppendLine().AppendLine($"{skipped.Count()} skipped: {skipped.Key}");
        }

        if (part.Tests.Count > 0)
        {
            var slowest = part.Tests.OrderByDescending(test => test.Seconds).Take(Slowest)
                .Select(test => FormattableString.Invariant($"`{Short(test.Name)}` {test.Seconds:F1} s"));
            var written = part.Tests.Where(test => test is { Outcome: TestOutcome.Passed, Output: not "" });
            text.AppendLine().Append("Slowest: ").AppendJoin("; ", slowest).AppendLine();
            Block(text, [.. written.Select(test => $"{Short(test.Name)}: {test.Output}")]);
        }

        Block(text, part.Output);
    }

    private static void Block(StringBuilder text, IReadOnlyList<string> lines)
    {
        if (lines.Any(line => line.Length > 0))
        {
            text.AppendLine().AppendLine("```text");
            foreach (string line in lines.Where(line => line.Length > 0))
            {
                text.AppendLine(line);
            }

            text.AppendLine("```");
        }
    }

    // Without its namespace; arguments of a theory may have dots too.
    private static string Short(string name)
    {
        int arguments = name.IndexOf('(');
        string method = arguments < 0 ? name : name[..arguments];
        string[] parts = method.Split('.');
        return string.Join('.', parts.TakeLast(2)) + (arguments < 0 ? "" : name[arguments..]);
    }
}
