using System.Globalization;

namespace ServingGrid.Benchmarks.Reporting;

/// <summary>The arguments were wrong; the message is the one sentence to print.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>Reads <c>--name value</c> pairs. Lists are comma-separated; "none" is the empty list.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = [];

    /// <exception cref="UsageException">Not pairs, or not among <paramref name="names"/>.</exception>
    public Arguments(IReadOnlyList<string> args, params ReadOnlySpan<string> names)
    {
        for (int i = 0; i < args.Count; i += 2)
        {
            if (!names.Contains(args[i]))
            {
                throw new UsageException($"There is no option '{args[i]}': {string.Join(", ", names.ToArray())} are.");
            }

            _values[args[i]] = i + 1 < args.Count ? args[i + 1] : throw new UsageException($"{args[i]} needs a value.");
        }
    }

    public string? Text(string name) => _values.GetValueOrDefault(name);

    public int Integer(string name, int otherwise) => Text(name) is { } text ? Parse(name, text) : otherwise;

    public double Number(string name, double otherwise) => Text(name) is not { } text ? otherwise
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number > 0 ? number
        : throw new UsageException($"{name} takes a positive number, not '{text}'.");

    public IReadOnlyList<string> Texts(string name, string otherwise) => (Text(name) ?? otherwise) is "none" or "" ? [] : (Text(name) ?? otherwise).Split(',');

    public IReadOnlyList<int> Integers(string name, string otherwise) => [.. Texts(name, otherwise).Select(text => Parse(name, text))];

    /// <summary>Two numbers, the lower one first.</summary>
    public (int Low, int High) Range(string name, string otherwise) =>
        Integers(name, otherwise) is [var low, var high] && low < high ? (low, high) : throw new UsageException($"{name} takes two numbers, the lower one first.");

    private static int Parse(string name, string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0
        ? number
        : throw new UsageException($"{name} takes positive whole numbers, not '{text}'.");
}
