using ServingGrid.Benchmarks.Reporting;

namespace ServingGrid.Benchmarks.Http;

/// <summary>What load to put on which servers.</summary>
internal sealed record HttpOptions
{
    public const string Help = """
        http --url URL [--peer URL] [options]: load over the OpenAI API, on two servers in turn

          --tests LIST         load,prefix,streams                                      (default: all)
          --clients LIST       clients at a time, each with one request after another   (default: 1,4,16)
          --input N            prompt tokens of a request                               (default: 128)
          --output N           new tokens of a request                                  (default: 64)
          --requests N         requests of each client in a round                       (default: 2)
          --rounds N           how often to alternate                                   (default: 3)
          --prefix N           tokens of the shared prefix                              (default: 1000)
          --streams N          streams that run while prompts arrive                    (default: 4)
          --prompt N           tokens of a prompt that arrives                          (default: 1000)
          --every SECONDS      time between two of them                                 (default: 2.5)
          --seconds N          how long prompts arrive                                  (default: 20)
          --warm SECONDS       load on each server before it is measured                (default: 8)
          --tokens LOW,HIGH    ordinary token ids of the model                          (default: 300,1900)
          --seed N             of the prompts; a server has met those of an earlier run (default: the clock)
          --csv PATH           keep the rows for a script
        """;

    public required Uri Url { get; init; }

    public required Uri? Peer { get; init; }

    public required IReadOnlyList<string> Tests { get; init; }

    public required IReadOnlyList<int> Clients { get; init; }

    public required int Input { get; init; }

    public required int Output { get; init; }

    public required int Requests { get; init; }

    public required int Rounds { get; init; }

    public required int Prefix { get; init; }

    public required int Streams { get; init; }

    public required int Prompt { get; init; }

    public required double Every { get; init; }

    public required int Seconds { get; init; }

    /// <summary>Seconds. .NET compiles hot loops again while they run: fewer would measure the compiler.</summary>
    public required int Warm { get; init; }

    public required (int Low, int High) Tokens { get; init; }

    public required int Seed { get; init; }

    public required string? Csv { get; init; }

    /// <exception cref="UsageException">An argument is wrong.</exception>
    public static HttpOptions Parse(string[] args)
    {
        var arguments = new Arguments(
            args, "--url", "--peer", "--tests", "--clients", "--input", "--output", "--requests", "--rounds", "--prefix", "--streams", "--prompt", "--every", "--seconds", "--warm", "--tokens", "--seed", "--csv");
        return new HttpOptions
        {
            Url = ParseUrl("--url", arguments.Text("--url") ?? throw new UsageException("--url is needed: the server to measure.")),
            Peer = arguments.Text("--peer") is { } peer ? ParseUrl("--peer", peer) : null,
            Tests = arguments.Texts("--tests", "load,prefix,streams"),
            Clients = arguments.Integers("--clients", "1,4,16"),
            Input = arguments.Integer("--input", 128),
            Output = arguments.Integer("--output", 64),
            Requests = arguments.Integer("--requests", 2),
            Rounds = arguments.Integer("--rounds", 3),
            Prefix = arguments.Integer("--prefix", 1000),
            Streams = arguments.Integer("--streams", 4),
            Prompt = arguments.Integer("--prompt", 1000),
            Every = arguments.Number("--every", 2.5),
            Seconds = arguments.Integer("--seconds", 20),
            Warm = arguments.Integer("--warm", 8),
            Tokens = arguments.Range("--tokens", "300,1900"),
            Seed = arguments.Integer("--seed", Environment.TickCount & 0xFFFFFF),
            Csv = arguments.Text("--csv"),
        };
    }

    private static Uri ParseUrl(string name, string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https" ? url : throw new UsageException($"{name} takes an http URL, not '{text}'.");
}
