using System.Reflection;
using ServingGrid.Client;
using ServingGrid.Kernels;

namespace ServingGrid.Gateway.Hosting;

/// <summary>What the program prints once it serves.</summary>
internal static class Banner
{
    /// <summary>With a silo in this process.</summary>
    public static string Describe(IEnumerable<string> urls, GatewayOptions options, ModelCard card, DeviceInfo device) => Join(urls, options, card.Name,
        $"model    {card.Name} ({options.ModelPath}), context of {card.ContextLength} tokens",
        $"device   {device.Id}: {device.Name} ({device.Kernels})");

    /// <summary>As a client of a grid.</summary>
    public static string Describe(IEnumerable<string> urls, GatewayOptions options, (string State, string? Model) grid) => Join(urls, options, grid.Model ?? "MODEL",
        $"grid     {options.Cluster.Display}: {grid.State}");

    private static string Join(IEnumerable<string> urls, GatewayOptions options, string model, params string[] facts)
    {
        string version = typeof(Banner).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
        string[] addresses = [.. urls];
        string key = options.ApiKeys.Count > 0 ? " -H 'Authorization: Bearer KEY'" : "";
        return $$"""
            ServingGrid {{version}}
              address  {{string.Join(", ", addresses)}}
              {{string.Join("\n  ", facts)}}
              try      curl {{Reachable(addresses[0])}}/v1/chat/completions{{key}} -d '{"model":"{{model}}","messages":[{"role":"user","content":"What is the capital of France?"}]}'
            Ctrl-C stops it.
            """;
    }

    // "Any address" can be listened on but not called.
    private static string Reachable(string url) => url.Replace("://0.0.0.0", "://127.0.0.1").Replace("://[::]", "://[::1]");
}
