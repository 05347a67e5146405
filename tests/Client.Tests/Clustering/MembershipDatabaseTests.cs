using System.Net;
using ServingGrid.Client.Clustering;

namespace ServingGrid.Client.Tests.Clustering;

public sealed class MembershipDatabaseTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("servinggrid-").FullName;
    private readonly MembershipDatabase _database;

    public MembershipDatabaseTests()
    {
        _database = new MembershipDatabase(Path.Combine(_folder, "grid.db"), "c");
        _database.Initialize();
    }

    public void Dispose()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Insert_NewSilo_ReadBackWhole()
    {
        MembershipEntry entry = Entry(1);
        entry.AddSuspector(Address(2), DateTime.UtcNow);

        Assert.True(_database.Insert(entry, _database.Read().Version.Next()));
        MembershipEntry read = Assert.Single(_database.Read().Members).Item1;
        Assert.Equal(entry.ToFullString(), read.ToFullString());
        Assert.Equal(1, _database.Read().Version.Version);
        Assert.Empty(_database.Read(Address(3)).Members);
        Assert.Single(_database.Read(Address(1)).Members);
    }

    [Fact]
    public void Insert_OldVersionOrKnownSilo_RefusedAndNothingChanged()
    {
        TableVersion version = _database.Read().Version;
        Assert.True(_database.Insert(Entry(1), version.Next()));

        Assert.False(_database.Insert(Entry(2), version.Next()));
        Assert.False(_database.Insert(Entry(1), _database.Read().Version.Next()));
        Assert.Equal(1, _database.Read().Version.Version);
        Assert.Single(_database.Read().Members);
    }

    [Fact]
    public void Update_OldTag_Refused()
    {
        _database.Insert(Entry(1), _database.Read().Version.Next());
        (MembershipEntry entry, string tag) = Assert.Single(_database.Read().Members);
        entry.Status = SiloStatus.Dead;

        Assert.True(_database.Update(entry, tag, _database.Read().Version.Next()));
        Assert.False(_database.Update(entry, tag, _database.Read().Version.Next()));
        Assert.Equal(SiloStatus.Dead, Assert.Single(_database.Read().Members).Item1.Status);
    }

    [Fact]
    public void Touch_KnownSilo_ChangesNeitherTagNorVersion()
    {
        _database.Insert(Entry(1), _database.Read().Version.Next());
        string tag = Assert.Single(_database.Read().Members).Item2;
        MembershipEntry later = Entry(1);
        later.IAmAliveTime = later.IAmAliveTime.AddMinutes(1);
        _database.Touch(later);

        (MembershipEntry entry, string after) = Assert.Single(_database.Read().Members);
        Assert.Equal((later.IAmAliveTime, tag, 1), (entry.IAmAliveTime, after, _database.Read().Version.Version));
    }

    [Fact]
    public void RemoveDefunct_OldDeadSilo_OnlyThatOne()
    {
        foreach ((int number, SiloStatus status) in new[] { (1, SiloStatus.Dead), (2, SiloStatus.Active) })
        {
            MembershipEntry entry = Entry(number);
            entry.Status = status;
            _database.Insert(entry, _database.Read().Version.Next());
        }

        _database.RemoveDefunct(DateTimeOffset.UtcNow.AddDays(1));
        Assert.Equal(Address(2), Assert.Single(_database.Read().Members).Item1.SiloAddress);
    }

    [Fact]
    public async Task Insert_ManyAtOnce_EachVersionIsUsedOnce()
    {
        await Task.WhenAll(Enumerable.Range(1, 8).Select(number => Task.Run(() =>
        {
            while (!_database.Insert(Entry(number), _database.Read().Version.Next()))
            {
            }
        })));

        Assert.Equal((8, 8), (_database.Read().Version.Version, _database.Read().Members.Count));
    }

    [Fact]
    public void Initialize_NotADatabase_SaysWhichFile()
    {
        string path = Path.Combine(_folder, "text.db");
        File.WriteAllText(path, new string('x', 5000));

        Assert.Contains(path, Assert.Throws<ClusterStoreException>(new MembershipDatabase(path, "c").Initialize).Message);
    }

    private static SiloAddress Address(int number) => SiloAddress.New(IPAddress.Loopback, 1000 + number, 5);

    private static MembershipEntry Entry(int number) => new()
    {
        SiloAddress = Address(number),
        Status = SiloStatus.Active,
        HostName = "host",
        SiloName = $"silo{number}",
        ProxyPort = 30_000 + number,
        StartTime = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc),
        IAmAliveTime = new DateTime(2026, 1, 2, 3, 4, 6, DateTimeKind.Utc),
    };
}
