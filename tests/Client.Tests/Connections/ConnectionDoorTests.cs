using Microsoft.Extensions.Logging.Abstractions;
using ServingGrid.Client.Connections;

namespace ServingGrid.Client.Tests.Connections;

public sealed class ConnectionDoorTests
{
    // One of nine is kept for those that come and go.
    private const int Limit = 9;
    private const int Places = 8;

    private readonly List<int> _ended = [];
    private readonly ConnectionDoor _door = new("test", Limit, TimeProvider.System, NullLogger.Instance);

    [Fact]
    public void TryEnter_FullOfStrangers_TheOldestMakesRoom()
    {
        for (int i = 0; i < Places + 3; i++)
        {
            Assert.NotNull(Enter(i));
        }

        Assert.Equal([0, 1, 2], _ended);
        Assert.Equal(Places, _door.Count);
    }

    [Fact]
    public void TryEnter_RestingAndStrangers_StrangersGoFirst()
    {
        ConnectionDoor.ConnectionPlace client = Enter(0)!;
        client.BeginWork();
        client.EndWork();
        for (int i = 1; i < Places + 2; i++)
        {
            Enter(i);
        }

        Assert.Equal([1, 2], _ended);
        Assert.False(client.HasLeft);
    }

    [Fact]
    public void TryEnter_OnlyRestingOnes_TheOneThatRestsLongestMakesRoom()
    {
        ConnectionDoor.ConnectionPlace[] places = [.. Enumerable.Range(0, Places).Select(i => Enter(i)!)];
        Array.ForEach(places, place => place.BeginWork());
        foreach (int i in (int[])[3, 1, 0, 2, 4, 5, 6, 7])
        {
            places[i].EndWork();
        }

        Enter(100)!.BeginWork();
        Enter(101)!.BeginWork();
        Assert.Equal([3, 1], _ended);
    }

    [Fact]
    public void TryEnter_AllWork_RefusedUntilOneRestsOrLeaves()
    {
        ConnectionDoor.ConnectionPlace[] places = [.. Enumerable.Range(0, Places).Select(i => Enter(i)!)];
        Array.ForEach(places, place => place.BeginWork());
        Assert.Null(Enter(100));

        places[0].BeginWork(); // a second request on it (HTTP/2)
        places[0].EndWork();
        Assert.Null(Enter(101));

        places[1].Dispose();
        places[1].Dispose();
        Assert.NotNull(Enter(102));
        places[2].EndWork();
        ConnectionDoor.ConnectionPlace last = Enter(103)!;
        Assert.NotNull(last);
        Assert.Equal([102], _ended); // it has never worked
    }

    [Fact]
    public void EndWork_AfterItHasLeft_TakesNoPlace()
    {
        ConnectionDoor.ConnectionPlace place = Enter(0)!;
        place.BeginWork();
        place.Dispose();
        place.EndWork();
        Assert.Equal(0, _door.Count);
        for (int i = 1; i <= Places; i++)
        {
            Assert.NotNull(Enter(i));
        }

        Assert.Empty(_ended);
    }

    private ConnectionDoor.ConnectionPlace? Enter(int id) => _door.TryEnter(() => _ended.Add(id));
}
