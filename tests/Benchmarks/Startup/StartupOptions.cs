using ServingGrid.Benchmarks.Reporting;
using ServingGrid.Testing;

namespace ServingGrid.Benchmarks.Startup;

/// <summary>Which servers to start, and what to ask them.</summary>
internal sealed record StartupOptions
{
    public const string Help = """
        startup [options]: from the start of a server's process to its first answers, and its memory, of two in turn

          --command CMD        a server to start; {port} is replaced                 (default: the gateway as built, with the bundled model)
          --peer-command CMD   another OpenAI-compatible server
          --runs N             starts of each that count, after one that does not    (default: 5)
          --clients N          requests at a time once it is ready                   (default: 16)
          --input N            prompt tokens of each                                 (default: 128)
          --output N           new tokens of each                                    (default: 64)
          --tokens LOW,HIGH    ordinary token ids of the model                       (default: 300,1900)
          --csv PATH           keep the rows for a script
        """;

    public required string Command { get; init; }

    public required string? Peer { get; init; }

    public required int Runs { get; init; }

    public required int Clients { get; init; }

    public required int Input { get; init; }

    public required int Output { get; init; }

    public required (int Low, int High) Tokens { get; init; }

    public required string? Csv { get; init; }

    /// <exception cref="UsageException">An argument is wrong.</exception>
    public static StartupOptions Parse(string[] args)
    {
        var arguments = new Arguments(args, "--command", "--peer-command", "--runs", "--clients", "--input", "--output", "--tokens", "--csv");
        return new StartupOptions
        {
            Command = arguments.Text("--command") ?? BuiltGateway(),
            Peer = arguments.Text("--peer-command"),
            Runs = arguments.Integer("--runs", 5),
            Clients = arguments.Integer("--clients", 16),
            Input = arguments.Integer("--input", 128),
            Output = arguments.Integer("--output", 64),
            Tokens = arguments.Range("--tokens", "300,1900"),
            Csv = arguments.Text("--csv"),
        };
    }

    private static string BuiltGateway()
    {
        string path = RepositoryRoot.Combine("src", "Gateway", "bin", "Release", "net10.0", "ServingGrid.Gateway.dll");
        return File.Exists(path)
            ? $"dotnet {path} --urls http://127.0.0.1:{{port}}"
            : throw new UsageException($"There is no {path}: build the gateway (dotnet build -c Release src/Gateway) or name a --command.");
    }
}
