using System.Collections.Concurrent;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>
/// Fields that the API does not know are accepted, because clients send what other servers understand; the log names each once.
/// Thread-safe.
/// </summary>
internal sealed partial class UnknownFields(ILogger<UnknownFields> log)
{
    // Names come from outside: neither their number nor their length may grow the log or the memory without end.
    private const int MaxNames = 256;
    private const int MaxLength = 64;

    private readonly ConcurrentDictionary<string, bool> _seen = new();

    public void Report(RequestFields fields)
    {
        foreach (string name in fields.Unknown)
        {
            if (_seen.Count < MaxNames && name.Length <= MaxLength && _seen.TryAdd(name, true))
            {
                Ignored(log, new string([.. name.Select(c => char.IsControl(c) ? '?' : c)]));
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "The request field '{Name}' is not known and has no effect.")]
    private static partial void Ignored(ILogger log, string name);
}
