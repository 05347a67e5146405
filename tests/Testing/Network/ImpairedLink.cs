using System.Net;
using System.Net.Sockets;
using Xunit;

namespace ServingGrid.Testing.Network;

/// <summary>
/// A network namespace behind a link that this process is, and that can be cut, slowed down, or made to lose frames; no part of the kernel
/// (netem) is needed for that. When disposed, link and namespace are gone.
/// <code>
///   here            │ this process │            namespace
///   near interface ─┤ LinkDirection├─ far interface
///   (TapDevice)     │  there, back │  (TapDevice)
/// </code>
/// Thread-safe.
/// </summary>
public sealed class ImpairedLink : IAsyncDisposable
{
    // A seed for each direction.
    private const int OtherDirection = 7919;

    private readonly NetworkNamespace _namespace;
    private readonly TapDevice _near;
    private readonly TapDevice _far;
    private readonly LinkDirection _there;
    private readonly LinkDirection _back;

    private ImpairedLink(NetworkNamespace space, TapDevice near, TapDevice far, (IPAddress Near, IPAddress Far) addresses, int seed)
    {
        (_namespace, _near, _far) = (space, near, far);
        (NearAddress, FarAddress) = addresses;
        _there = new LinkDirection(near, far, seed);
        _back = new LinkDirection(far, near, seed + OtherDirection);
    }

    /// <summary>This side.</summary>
    public IPAddress NearAddress { get; }

    /// <summary>The side in the namespace.</summary>
    public IPAddress FarAddress { get; }

    /// <summary>The namespace beyond the link.</summary>
    public NetworkNamespace Beyond => _namespace;

    /// <summary>Frames so far.</summary>
    /// <exception cref="IOException">The link has broken.</exception>
    public LinkCounters Counters => _there.Counters + _back.Counters;

    /// <summary>Sets one up, in good condition; skips the test with the reason where that is not possible.</summary>
    /// <param name="seed">Which frames are lost.</param>
    public static async Task<ImpairedLink> CreateAsync(int seed = 1)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "network namespaces and TAP devices need Linux");
        NetworkNamespace? space = null;
        TapDevice? near = null, far = null;
        try
        {
            space = await NetworkNamespace.CreateAsync();
            near = TapDevice.Create(space.Name + "n");
            far = TapDevice.Create(space.Name + "f");
        }
        catch (IOException exception)
        {
            await RemoveAsync();
            Assert.Skip($"network namespaces and TAP devices cannot be made here (they need root): {exception.Message}");
        }

        try
        {
            return new ImpairedLink(space, near, far, await SetUpAsync(space.Name), seed);
        }
        catch
        {
            await RemoveAsync();
            throw;
        }

        ValueTask RemoveAsync()
        {
            near?.Dispose();
            far?.Dispose();
            return space?.DisposeAsync() ?? ValueTask.CompletedTask;
        }
    }

    /// <summary>What becomes of the frames of both directions that are sent from now on; those underway arrive as they would have.</summary>
    public void Become(LinkConditions conditions)
    {
        _there.Become(conditions);
        _back.Become(conditions);
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _there.DisposeAsync();
            await _back.DisposeAsync();
        }
        finally
        {
            _near.Dispose();
            _far.Dispose();
            await _namespace.DisposeAsync();
        }
    }

    private static async Task<(IPAddress Near, IPAddress Far)> SetUpAsync(string name)
    {
        // Four addresses of the block that is for tests and that nobody routes (RFC 2544): two links at a time hardly meet.
        int first = (198 << 24) | (18 << 16) | (4 * Random.Shared.Next(1 << 15));
        var addresses = (Near: Address(first + 1), Far: Address(first + 2));
        string[] here = [], there = ["-n", name];
        await IpCommand.RunAsync("link", "set", name + "f", "netns", name);
        await BringUpAsync(here, name + "n", addresses.Near);
        await BringUpAsync(there, name + "f", addresses.Far);
        return addresses;

        static IPAddress Address(int bits) => new(BitConverter.GetBytes(IPAddress.HostToNetworkOrder(bits)));
    }

    private static async Task BringUpAsync(string[] where, string device, IPAddress address)
    {
        if (Socket.OSSupportsIPv6)
        {
            // Or it would look for routers now and then.
            await IpCommand.RunAsync([.. where, "link", "set", device, "addrgenmode", "none"]);
        }

        await IpCommand.RunAsync([.. where, "addr", "add", $"{address}/30", "dev", device]);
        await IpCommand.RunAsync([.. where, "link", "set", device, "up"]);
    }
}
