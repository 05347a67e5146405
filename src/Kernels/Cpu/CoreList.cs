using System.Globalization;

namespace ServingGrid.Kernels.Cpu;

/// <summary>Cores as operators write them: <c>1</c>, <c>2-5,8</c>.</summary>
public static class CoreList
{
    /// <summary>Cores are numbered below this.</summary>
    public const int MaxCores = 1024;

    /// <summary>The cores in the order in which they are written, or null and one clause that says what is wrong.</summary>
    public static IReadOnlyList<int>? TryParse(string text, out string fault)
    {
        List<int> cores = [];
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-', 2);
            if (!TryParseCore(ends[0], out int first) || !TryParseCore(ends[^1], out int last) || last < first)
            {
                fault = $"'{part}' is not a core or a range of cores such as 2-5 (0 … {MaxCores - 1})";
                return null;
            }

            cores.AddRange(Enumerable.Range(first, last - first + 1));
        }

        fault = cores.GroupBy(core => core).FirstOrDefault(same => same.Count() > 1) is { } twice ? $"core {twice.Key} is there twice" : "";
        return fault.Length == 0 ? cores : null;
    }

    private static bool TryParseCore(string text, out int core) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out core) && core < MaxCores;
}
