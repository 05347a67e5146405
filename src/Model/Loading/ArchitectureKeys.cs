using ServingGrid.Model.Gguf;

namespace ServingGrid.Model.Loading;

/// <summary>The metadata keys under an architecture's prefix ("llama.block_count"), checked against ranges.</summary>
internal sealed class ArchitectureKeys(GgufMetadata metadata, string architecture)
{
    public string Architecture { get; } = architecture;

    public bool Contains(string suffix) => metadata.Contains(Key(suffix));

    /// <summary>An integer from 1 (or <paramref name="minimum"/>) to <paramref name="maximum"/>; required if there is no default.</summary>
    public int Integer(string suffix, int maximum, int? otherwise = null, int minimum = 1)
    {
        string key = Key(suffix);
        long value = Single(key) ?? otherwise ?? throw metadata.Error(key, "the key is missing");
        return value >= minimum && value <= maximum ? (int)value : throw metadata.Error(key, $"{value} is not between {minimum} and {maximum}");
    }

    /// <summary>A finite number between two bounds (inclusive); required if there is no default.</summary>
    public double Number(string suffix, double minimum, double maximum, double? otherwise = null)
    {
        string key = Key(suffix);
        double value = metadata.GetFloat(key) ?? otherwise ?? throw metadata.Error(key, "the key is missing");
        return value >= minimum && value <= maximum ? value : throw Error(suffix, $"{value:R} is not between {minimum:R} and {maximum:R}");
    }

    public string? Text(string suffix) => metadata.GetString(Key(suffix));

    public GgufException Error(string suffix, string reason) => metadata.Error(Key(suffix), reason);

    private string Key(string suffix) => $"{Architecture}.{suffix}";

    /// <summary>An integer, or an array with one for each layer if they are all equal.</summary>
    private long? Single(string key)
    {
        if (metadata.ArrayLength(key) is null)
        {
            return metadata.GetInteger(key);
        }

        int[] values = metadata.GetIntegers(key)!;
        return values.Length > 0 && values.All(value => value == values[0])
            ? values[0]
            : throw metadata.Error(key, "layers that differ in this are not supported");
    }
}
