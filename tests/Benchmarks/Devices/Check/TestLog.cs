using System.Text.Json;
using System.Text.Json.Nodes;
using ServingGrid.Kernels;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>
/// Follows a test program's events (xunit's reporter <c>json</c>, a line for each), so that what it did is known even when it does not live
/// to say so.
/// </summary>
internal sealed class TestLog
{
    private const int MostFrames = 12;

    private readonly Dictionary<string, (string Name, string Method)> _running = [];
    private readonly Dictionary<string, string> _classes = [];
    private readonly Dictionary<string, string> _methods = [];
    private readonly OrderedDictionary<string, TestResult> _results = [];
    private readonly List<string> _other = [];

    /// <summary>By test, in the order in which they first started.</summary>
    public IReadOnlyList<TestResult> Results => [.. _results.Values];

    /// <summary>Lines that are no events, and errors outside of tests.</summary>
    public IReadOnlyList<string> Other => _other;

    /// <summary>Something failed outside of tests.</summary>
    public bool HasErrors { get; private set; }

    /// <summary>The program said that it had run all tests.</summary>
    public bool Finished { get; private set; }

    /// <summary>Results in the order in which they came, since the last call.</summary>
    public List<TestResult> Latest { get; } = [];

    public void BeginRound()
    {
        Finished = false;
        Latest.Clear();
        _running.Clear();
    }

    public void Add(string line)
    {
        if (Parse(line) is not { } message)
        {
            _other.Add(line);
            return;
        }

        string id = Text(message, "TestUniqueID");
        switch (Text(message, "$type"))
        {
            case "test-class-starting":
                _classes[Text(message, "TestClassUniqueID")] = Text(message, "TestClassName");
                break;
            case "test-method-starting":
                string? owner = _classes.GetValueOrDefault(Text(message, "TestClassUniqueID"));
                _methods[Text(message, "TestMethodUniqueID")] = $"{owner}.{Text(message, "MethodName")}";
                break;
            case "test-starting":
                string name = Text(message, "TestDisplayName");
                string method = _methods.GetValueOrDefault(Text(message, "TestMethodUniqueID"), name);
                _running[id] = (name, method);
                _results[name] = new TestResult(name, method, TestOutcome.Running);
                break;
            case "test-passed":
                End(id, message, TestOutcome.Passed, "");
                break;
            case "test-skipped":
                End(id, message, TestOutcome.Skipped, Text(message, "Reason"));
                break;
            case "test-failed":
                bool deviceFailed = Texts(message, "ExceptionTypes").Contains(typeof(DeviceException).FullName);
                End(id, message, TestOutcome.Failed, Failure(message), deviceFailed);
                break;
            case "test-assembly-finished":
                Finished = true;
                break;
            case string type when message.ContainsKey("ExceptionTypes"):
                HasErrors = true;
                _other.Add($"{type}: {Failure(message)}");
                break;
        }
    }

    /// <summary>Tests that had started when the program ended have failed.</summary>
    public void FailRunning(string why)
    {
        foreach (TestResult result in Results.Where(result => result.Outcome == TestOutcome.Running))
        {
            Latest.Add(_results[result.Name] = result with { Outcome = TestOutcome.Failed, Message = why });
        }
    }

    private void End(string id, JsonObject message, TestOutcome outcome, string text, bool deviceFailed = false)
    {
        if (_running.Remove(id, out (string Name, string Method) test))
        {
            double seconds = message["ExecutionTime"]?.GetValue<double>() ?? 0;
            string output = Text(message, "Output").Trim();
            Latest.Add(_results[test.Name] = new TestResult(test.Name, test.Method, outcome, seconds, text, output, deviceFailed));
        }
    }

    private static string Failure(JsonObject message)
    {
        IEnumerable<string> frames = Texts(message, "StackTraces").SelectMany(trace => trace.Split('\n')).Where(frame => !IsRunners(frame));
        return string.Join('\n', Texts(message, "Messages").Concat(frames.Take(MostFrames)));

        static bool IsRunners(string frame) =>
            frame.Contains(" at Xunit.", StringComparison.Ordinal) || frame.Contains(" at System.Reflection.", StringComparison.Ordinal);
    }

    private static string Text(JsonObject message, string name) => (string?)message[name] ?? "";

    private static IEnumerable<string> Texts(JsonObject message, string name) =>
        message[name] is JsonArray array ? array.Select(item => (string?)item ?? "") : [];

    private static JsonObject? Parse(string line)
    {
        if (!line.StartsWith('{'))
        {
            return null;
        }

        try
        {
            return JsonNode.Parse(line) as JsonObject;
        }
        catch (JsonException)
        {
            // Something else that begins so: it is kept as it is.
            return null;
        }
    }
}
