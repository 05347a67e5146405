namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>One program that the check runs.</summary>
/// <param name="Name">As <c>--only</c> takes it; parts may share one.</param>
/// <param name="Title">For the results.</param>
/// <param name="Weight">Its share of the time that is left, among the parts that are left: what a part leaves over is the next
/// ones'.</param>
/// <param name="Program">An assembly beside this one.</param>
/// <param name="Arguments">For so many seconds.</param>
internal sealed record CheckPart(string Name, string Title, int Weight, string Program, Func<int, string[]> Arguments)
{
    private const string Benchmarks = "ServingGrid.Benchmarks.dll";

    private const string SmallestLayer =
        "--width 64 --feed-forward 64 --heads 2 --kv-heads 1 --head-size 32 --vocabulary 256 --context 32 --chunk 9";

    private const string SmallestSteps = "--prefill 4 --decode 16 --batch 2 --context 16 --steps 1 --repeat 1";

    private const string Crowds = "--batch 2,4,8,16,32,64 --context 512 --steps 16";

    // Of a GPU: Llama 3 8B's layer and whole models. Measurements are so many and so short that all fit into the time; what does not is
    // left out, and said.
    private static readonly string[] DeviceTypes = ["Q8_0", "Q4_K"];

    public bool IsTests => Program.EndsWith(".Tests.dll", StringComparison.Ordinal);

    public static IEnumerable<CheckPart> All(CheckOptions options)
    {
        CheckPart[] tests =
        [
            Tests("kernels", "every operation against the plain reference", 16, "Kernels"),
            Tests("engine", "whole models", 10, "Engine"),
        ];
        CheckPart[] benchmarks = options.IsStandIn
            ?
            [
                Device(options, "a layer, as small as can be", "Q8_0", SmallestLayer),
                Model(options, "a model, as small as can be", "tiny", "Q4_K", SmallestSteps),
            ]
            :
            [
                .. DeviceTypes.Select(type => Device(options, $"a layer of Llama 3 8B, {type}", type, "")),
                Model(options, "TinyLlama 1.1B", "1.1b", "Q8_0,Q4_K", $"--prefill 128,512,2048 --decode 128,1024,2000 {Crowds}"),
                Model(options, "Llama 3 8B, Q4_K", "8b", "Q4_K", $"--prefill 128,512,2048 --decode 128,2048,8000 {Crowds}"),
                Model(options, "Llama 3 8B, Q8_0", "8b", "Q8_0", "--prefill 512 --decode 128,2048 --batch 8,32 --context 512 --steps 16"),
            ];
        return [.. tests.Concat(benchmarks).Where(part => options.Only.Contains(part.Name))];
    }

    /// <summary>What the device is, and whether it can be used at all.</summary>
    public static CheckPart Facts(CheckOptions options) =>
        new("facts", "devices", 0, Benchmarks, _ => ["cuda-check", "facts", options.Device]);

    private static CheckPart Tests(string name, string title, int weight, string project) =>
        new(name, $"tests, {title}", weight, $"ServingGrid.{project}.Tests.dll", _ => []);

    // Nineteen measurements and the launches, each a little longer than it is told.
    private static CheckPart Device(CheckOptions options, string title, string type, string more) =>
        new("device", $"benchmark device, {title}", 3, Benchmarks, seconds =>
        {
            double each = options.IsStandIn ? 0.01 : Math.Min(0.5, seconds / 40.0);
            return Split(FormattableString.Invariant($"device --device {options.Device} --type {type} --seconds {each:F3} {more}"));
        });

    // A third of the time is for a measurement that began in time and lasts.
    private static CheckPart Model(CheckOptions options, string title, string shape, string types, string more) =>
        new("model", $"benchmark model, {title}", 5, Benchmarks, seconds => Split(
            $"model --device {options.Device} --shapes {shape} --types {types} --within {Math.Max(1, seconds * 2 / 3)} {more}"));

    private static string[] Split(string arguments) => arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
