using System.Globalization;
using ServingGrid.Kernels;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Benchmarks.Devices;

/// <summary>What to measure: the layer of a model, by its widths, and where.</summary>
internal sealed record DeviceShape
{
    public string Device { get; private init; } = DeviceCatalog.Auto;

    public GgmlType Type { get; private init; } = GgmlType.Q8_0;

    public int Width { get; private init; } = 4096;

    public int FeedForward { get; private init; } = 14336;

    public int Heads { get; private init; } = 32;

    public int KvHeads { get; private init; } = 8;

    public int HeadSize { get; private init; } = 128;

    public int Vocabulary { get; private init; } = 128256;

    /// <summary>Positions that a decoding row attends to.</summary>
    public int Context { get; private init; } = 2048;

    /// <summary>Rows of a prompt chunk.</summary>
    public int Chunk { get; private init; } = 512;

    /// <summary>
    /// Memory bandwidth of the device in GB/s and arithmetic rate in TFLOP/s; 0: what CUDA devices say of themselves, no roofline on
    /// others.
    /// </summary>
    public double Bandwidth { get; private init; }

    public double Tflops { get; private init; }

    /// <summary>Seconds that each measurement may take.</summary>
    public double Seconds { get; private init; } = 1;

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Type}, width {Width}, feed-forward {FeedForward}, {Heads} heads over {KvHeads} of {HeadSize}, vocabulary {Vocabulary}";

    /// <summary>Parses <c>--name value</c> pairs.</summary>
    /// <exception cref="ArgumentException">An option is unknown or its value does not fit; one sentence.</exception>
    public static DeviceShape Parse(string[] args)
    {
        var shape = new DeviceShape();
        if (args.Length % 2 != 0)
        {
            throw new ArgumentException($"{args[^1]} has no value");
        }

        for (int i = 0; i < args.Length; i += 2)
        {
            string value = args[i + 1];
            shape = args[i] switch
            {
                "--device" => shape with { Device = value },
                "--type" => shape with { Type = Enum.TryParse(value, true, out GgmlType type) ? type : throw new ArgumentException($"{value} is not a tensor type") },
                "--width" => shape with { Width = Integer(args[i], value) },
                "--feed-forward" => shape with { FeedForward = Integer(args[i], value) },
                "--heads" => shape with { Heads = Integer(args[i], value) },
                "--kv-heads" => shape with { KvHeads = Integer(args[i], value) },
                "--head-size" => shape with { HeadSize = Integer(args[i], value) },
                "--vocabulary" => shape with { Vocabulary = Integer(args[i], value) },
                "--context" => shape with { Context = Integer(args[i], value) },
                "--chunk" => shape with { Chunk = Integer(args[i], value) },
                "--gb-per-second" => shape with { Bandwidth = Number(args[i], value) },
                "--seconds" => shape with { Seconds = Number(args[i], value) },
                "--tflops" => shape with { Tflops = Number(args[i], value) },
                _ => throw new ArgumentException($"{args[i]} is not an option of the device benchmark"),
            };
        }

        if (shape.Heads % shape.KvHeads != 0)
        {
            throw new ArgumentException($"{shape.Heads} heads cannot share {shape.KvHeads} KV heads");
        }

        return shape;
    }

    private static int Integer(string option, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 ? number : throw new ArgumentException($"{option} takes a positive whole number, not {value}");

    private static double Number(string option, string value) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number > 0 ? number : throw new ArgumentException($"{option} takes a positive number, not {value}");
}
