using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ServingGrid.Testing.Network;

namespace ServingGrid.EndToEnd.Tests.Network;

/// <summary>The link by which network faults are made does what it says: a fault that does not happen would prove nothing.</summary>
public sealed class ImpairedLinkTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // What a socket's buffer holds easily.
    private const int Batch = 50;

    [Fact]
    public async Task Delay_OfALink_AddsToEveryRoundTrip()
    {
        await using ImpairedLink link = await ImpairedLink.CreateAsync();
        using Socket listener = await link.Beyond.RunAsync(() =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(link.FarAddress, 0));
            socket.Listen();
            return socket;
        });
        await ConnectAsync(listener);
        Assert.Equal(0, link.Counters.Delayed);

        link.Become(new LinkConditions { Delay = TimeSpan.FromMilliseconds(200) });
        TimeSpan slow = await ConnectAsync(listener);
        link.Become(LinkConditions.Good);

        Assert.InRange(slow, TimeSpan.FromMilliseconds(400), Patience);
        Assert.True(link.Counters.Delayed >= 2, $"{link.Counters}");
        Assert.Equal(0, link.Counters.Lost + link.Counters.CutOff);
        Assert.InRange(await ConnectAsync(listener), TimeSpan.Zero, TimeSpan.FromMilliseconds(390));
    }

    [Fact]
    public async Task Loss_OfALink_DropsThatShareOfFramesAndTheSameOnesForASeed()
    {
        const int Count = 4000;
        List<int> first = await SendAsync(new LinkConditions { Loss = 0.05 }, seed: 5, Count);
        List<int> second = await SendAsync(new LinkConditions { Loss = 0.05 }, seed: 5, Count);

        Assert.InRange(Count - first.Count, 145, 255);
        Assert.Equal(first, second);
    }

    [Fact]
    public async Task Cut_OfALink_LetsNothingThroughUntilItEnds() =>
        Assert.Empty(await SendAsync(LinkConditions.Cut, seed: 1, count: 50));

    [Fact]
    public async Task Disposal_OfALink_LeavesNothingBehind()
    {
        string name;
        await using (ImpairedLink link = await ImpairedLink.CreateAsync())
        {
            name = link.Beyond.Name;
            Assert.True(File.Exists($"/run/netns/{name}"));
        }

        Assert.False(File.Exists($"/run/netns/{name}"));
        Assert.DoesNotContain(System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces(), device => device.Name.StartsWith(name, StringComparison.Ordinal));
    }

    /// <summary>Sends numbered datagrams under a condition, and one more afterwards: the numbers that arrived under it.</summary>
    private static async Task<List<int>> SendAsync(LinkConditions conditions, int seed, int count)
    {
        await using ImpairedLink link = await ImpairedLink.CreateAsync(seed);
        using UdpClient far = await link.Beyond.RunAsync(() => new UdpClient(new IPEndPoint(link.FarAddress, 0)));
        using var near = new UdpClient(new IPEndPoint(link.NearAddress, 0));
        near.Connect((IPEndPoint)far.Client.LocalEndPoint!);

        // The first finds out the hardware's address, so that all others are a frame each.
        await SendOneAsync(-1);
        Assert.Equal(-1, await ReceiveAsync());
        LinkCounters before = link.Counters;

        link.Become(conditions);
        List<int> arrived = [];
        for (int sent = 1; sent <= count; sent++)
        {
            await SendOneAsync(sent - 1);
            if (sent % Batch == 0 || sent == count)
            {
                LinkCounters now = await WaitAsync(link, before, sent);
                while (now.Forwarded > arrived.Count)
                {
                    arrived.Add(await ReceiveAsync());
                }
            }
        }

        LinkCounters seen = link.Counters - before;
        Assert.Equal(count - arrived.Count, seen.Lost + seen.CutOff);
        Assert.Equal(conditions.IsCut ? count : 0, seen.CutOff);

        link.Become(LinkConditions.Good);
        await SendOneAsync(count);
        Assert.Equal(count, await ReceiveAsync());
        return arrived;

        ValueTask<int> SendOneAsync(int number) => near.SendAsync(BitConverter.GetBytes(number));

        async Task<int> ReceiveAsync() => BitConverter.ToInt32((await far.ReceiveAsync().WaitAsync(Patience)).Buffer);
    }

    private static async Task<LinkCounters> WaitAsync(ImpairedLink link, LinkCounters before, int frames)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            LinkCounters now = link.Counters - before;
            if (now.Forwarded + now.Lost + now.CutOff >= frames)
            {
                return now;
            }

            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, $"{now}");
            await Task.Delay(1);
        }
    }

    private static async Task<TimeSpan> ConnectAsync(Socket listener)
    {
        long start = Stopwatch.GetTimestamp();
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndPoint!).WaitAsync(Patience);
        TimeSpan taken = Stopwatch.GetElapsedTime(start);
        using Socket accepted = await listener.AcceptAsync().WaitAsync(Patience);
        return taken;
    }
}
