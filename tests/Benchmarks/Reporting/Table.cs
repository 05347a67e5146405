using System.Globalization;

namespace ServingGrid.Benchmarks.Reporting;

/// <summary>Rows of texts, printed with aligned columns (the first to the left, numbers to the right) and, if wanted, kept as CSV for scripts.</summary>
internal sealed class Table(params string[] header)
{
    private readonly List<string[]> _rows = [];

    /// <summary>A number with three digits or more; what is none, or not finite, as a dash.</summary>
    public static string Format(double number) => !double.IsFinite(number) ? "-" : number.ToString(
        Math.Abs(number) switch { >= 100 => "F0", >= 10 => "F1", >= 1 => "F2", _ => "F3" }, CultureInfo.InvariantCulture);

    /// <summary>Adds a row; null cells are shown as a dash, numbers as <see cref="Format(double)"/> does.</summary>
    public void Add(params object?[] cells)
    {
        if (cells.Length != header.Length)
        {
            throw new ArgumentException($"{cells.Length} cells for {header.Length} columns", nameof(cells));
        }

        _rows.Add([.. cells.Select(Format)]);
    }

    public void Print(TextWriter writer)
    {
        string[][] all = [header, .. _rows];
        int[] widths = [.. header.Select((_, column) => all.Max(row => row[column].Length))];
        foreach (string[] row in all)
        {
            writer.WriteLine(string.Join("  ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))).TrimEnd());
        }
    }

    /// <summary>Prints, and saves if there is a path.</summary>
    public void Report(string? csv)
    {
        Print(Console.Out);
        if (csv is not null)
        {
            Save(csv);
        }
    }

    /// <summary>Writes the same rows as CSV.</summary>
    public void Save(string path) => File.WriteAllLines(path, _rows.Prepend(header).Select(row => string.Join(',', row)));

    private static string Format(object? cell) => cell switch
    {
        null => "-",
        double number => Format(number),
        _ => Convert.ToString(cell, CultureInfo.InvariantCulture)!,
    };
}
