using ServingGrid.EndToEnd.Tests.Support;
using ServingGrid.Testing.Services;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>
/// A network namespace behind a cable of its own: a bridge on this side, a veth pair whose near end can be pulled out. Removed when disposed,
/// the bridge and the cable with it.
/// </summary>
internal sealed class NetworkNamespace : IAsyncDisposable
{
    private const string Probe = "servinggrid-probe";

    private readonly string _name = $"sg{Random.Shared.Next(1 << 24):x6}";

    // Of the block for documentation and tests that nobody routes: two at a time seldom meet.
    private readonly string _network = $"198.18.{Random.Shared.Next(256)}";

    private NetworkNamespace()
    {
    }

    /// <summary>This side.</summary>
    public string NearAddress => $"{_network}.1";

    /// <summary>The side in the namespace.</summary>
    public string FarAddress => $"{_network}.2";

    /// <summary>What runs a program in the namespace; the process is the program itself.</summary>
    public string[] Launcher => ["ip", "netns", "exec", _name];

    private string Bridge => _name + "b";

    private string Near => _name + "n";

    private string Far => _name + "f";

    /// <summary>Sets one up; skips the test with the reason where that is not possible.</summary>
    public static async Task<NetworkNamespace> CreateAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && ServerProcess.Find("ip") is not null, "network namespaces need Linux and ip (Debian package iproute2)");
        (int code, string error) = await RunAsync("ip", "netns", "add", Probe);
        Assert.SkipUnless(code == 0, $"network namespaces cannot be created here (they need root): {error}");
        await IpAsync("netns", "del", Probe);

        var created = new NetworkNamespace();
        try
        {
            await created.SetUpAsync();
            return created;
        }
        catch
        {
            await created.DisposeAsync();
            throw;
        }
    }

    /// <summary>Pulls the cable: packets vanish in both directions, and nobody is told.</summary>
    public Task CutAsync() => IpAsync("link", "set", Near, "down");

    /// <summary>Puts it back.</summary>
    public Task MendAsync() => IpAsync("link", "set", Near, "up");

    /// <summary>Disturbs what this side sends; skips the test where the kernel cannot.</summary>
    /// <param name="disturbance">As tc-netem reads it: "delay 200ms", "loss 5%".</param>
    public async Task DisturbAsync(params string[] disturbance)
    {
        Assert.SkipWhen(ServerProcess.Find("tc") is null, "delay and loss need tc (Debian package iproute2)");
        (int code, string error) = await RunAsync("tc", ["qdisc", "replace", "dev", Near, "root", "netem", .. disturbance]);
        Assert.SkipUnless(code == 0, $"this kernel has no netem, so that there is neither delay nor loss, only partition: {error}");
    }

    /// <summary>Ends the disturbance.</summary>
    public Task SettleAsync() => CheckAsync("tc", "qdisc", "del", "dev", Near, "root");

    public async ValueTask DisposeAsync()
    {
        // The cable goes with either of its ends. What was never set up need not be removed.
        await RunAsync("ip", "link", "del", Near);
        await RunAsync("ip", "link", "del", Bridge);
        await RunAsync("ip", "netns", "del", _name);
    }

    private async Task SetUpAsync()
    {
        await IpAsync("netns", "add", _name);
        await IpAsync("link", "add", Bridge, "type", "bridge");
        await IpAsync("addr", "add", $"{NearAddress}/24", "dev", Bridge);
        await IpAsync("link", "add", Near, "type", "veth", "peer", "name", Far, "netns", _name);
        await IpAsync("link", "set", Near, "master", Bridge);
        await IpAsync("link", "set", Bridge, "up");
        await IpAsync("link", "set", Near, "up");
        await IpAsync("-n", _name, "addr", "add", $"{FarAddress}/24", "dev", Far);
        await IpAsync("-n", _name, "link", "set", "lo", "up");
        await IpAsync("-n", _name, "link", "set", Far, "up");
    }

    private static Task IpAsync(params string[] arguments) => CheckAsync("ip", arguments);

    private static async Task CheckAsync(string program, params string[] arguments)
    {
        (int code, string error) = await RunAsync(program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)}: {error}");
    }

    private static async Task<(int Code, string Error)> RunAsync(string program, params string[] arguments)
    {
        await using var run = new ProgramRun(program, arguments);
        int code = await run.WaitForExitAsync(TimeSpan.FromSeconds(10));
        return (code, run.Error.Trim());
    }
}
