using System.Net;
using ServingGrid.Client.Clustering;
using ServingGrid.Testing.Services;

namespace ServingGrid.Client.Tests.Clustering;

/// <summary>What Orleans' membership protocol asks of a table, for each table of our own, over its real store.</summary>
public sealed class MembershipTableTests
{
    public static TheoryData<string> Kinds => ["file", "azure-table"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task InsertRow_NewSilo_ReadBackWhole(string kind)
    {
        await using Rig rig = await Rig.StartAsync(kind);
        MembershipEntry entry = Entry(1);
        entry.AddSuspector(Address(2), new DateTime(2026, 1, 2, 3, 4, 7, DateTimeKind.Utc));

        Assert.True(await rig.InsertAsync(entry));
        MembershipTableData all = await rig.ReadAsync();
        Assert.Equal(entry.ToFullString(), Assert.Single(all.Members).Item1.ToFullString());
        Assert.Equal(1, all.Version.Version);
        Assert.Empty((await rig.Table.ReadRowAsync(Address(3), default)).Members);
        Assert.Single((await rig.Table.ReadRowAsync(Address(1), default)).Members);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task InsertRow_OldVersionOrKnownSilo_RefusedAndNothingChanged(string kind)
    {
        await using Rig rig = await Rig.StartAsync(kind);
        TableVersion version = (await rig.ReadAsync()).Version;
        Assert.True(await rig.Table.InsertRowAsync(Entry(1), version.Next(), default));

        Assert.False(await rig.Table.InsertRowAsync(Entry(2), version.Next(), default));
        Assert.False(await rig.InsertAsync(Entry(1)));
        MembershipTableData all = await rig.ReadAsync();
        Assert.Equal(1, all.Version.Version);
        Assert.Single(all.Members);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task UpdateRow_OldTag_Refused(string kind)
    {
        await using Rig rig = await Rig.StartAsync(kind);
        await rig.InsertAsync(Entry(1));
        (MembershipEntry entry, string tag) = Assert.Single((await rig.ReadAsync()).Members);
        entry.Status = SiloStatus.Dead;

        Assert.True(await rig.Table.UpdateRowAsync(entry, tag, (await rig.ReadAsync()).Version.Next(), default));
        Assert.False(await rig.Table.UpdateRowAsync(entry, tag, (await rig.ReadAsync()).Version.Next(), default));
        Assert.Equal(SiloStatus.Dead, Assert.Single((await rig.ReadAsync()).Members).Item1.Status);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task UpdateIAmAlive_KnownSilo_TimeChangesVersionDoesNot(string kind)
    {
        await using Rig rig = await Rig.StartAsync(kind);
        await rig.InsertAsync(Entry(1));
        MembershipEntry later = Entry(1);
        later.IAmAliveTime = later.IAmAliveTime.AddMinutes(1);
        await rig.Table.UpdateIAmAliveAsync(later, default);

        MembershipTableData all = await rig.ReadAsync();
        Assert.Equal(later.IAmAliveTime, Assert.Single(all.Members).Item1.IAmAliveTime);
        Assert.Equal(1, all.Version.Version);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task CleanupAndDelete_DeadAndLiving_OnlyWhatWasAsked(string kind)
    {
        await using Rig rig = await Rig.StartAsync(kind);
        await rig.InsertAsync(Entry(1, SiloStatus.Dead));
        await rig.InsertAsync(Entry(2));

        await rig.Table.CleanupDefunctSiloEntriesAsync(DateTimeOffset.UtcNow.AddDays(1), default);
        Assert.Equal(Address(2), Assert.Single((await rig.ReadAsync()).Members).Item1.SiloAddress);

        await rig.Table.DeleteMembershipTableEntriesAsync("servinggrid", default);
        await rig.Table.InitializeMembershipTableAsync(true, default);
        Assert.Empty((await rig.ReadAsync()).Members);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task InsertRow_ManyAtOnce_EachVersionIsUsedOnce(string kind)
    {
        await using Rig rig = await Rig.StartAsync(kind);
        await Task.WhenAll(Enumerable.Range(1, 8).Select(number => Task.Run(async () =>
        {
            while (!await rig.InsertAsync(Entry(number)))
            {
            }
        }))).WaitAsync(TimeSpan.FromSeconds(60));

        MembershipTableData all = await rig.ReadAsync();
        Assert.Equal((8, 8), (all.Version.Version, all.Members.Count));
    }

    [Theory]
    [InlineData("azure-table:nonsense")]
    [InlineData("azure-table:AccountName=a;AccountKey=SECRET")]
    [InlineData("redis:127.0.0.1:1,nonsense=SECRET")]
    public void UseCluster_SenselessConnection_OneSentenceWithoutTheConnection(string cluster)
    {
        ClusterStore store = ClusterStore.TryParse(cluster, out _)!;
        string message = Assert.Throws<ClusterStoreException>(() => store.Kind == ClusterKind.Redis ? (object)RedisStore.Parse(store.Connection) : AzureTableStore.Open(store.Connection)).Message;
        Assert.DoesNotContain("SECRET", message, StringComparison.Ordinal);
        Assert.EndsWith(".", message, StringComparison.Ordinal);
    }

    private static SiloAddress Address(int number) => SiloAddress.New(IPAddress.Loopback, 1000 + number, 5);

    private static MembershipEntry Entry(int number, SiloStatus status = SiloStatus.Active) => new()
    {
        SiloAddress = Address(number),
        Status = status,
        HostName = "host",
        SiloName = $"silo{number}",
        ProxyPort = 30_000 + number,
        StartTime = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc),
        IAmAliveTime = new DateTime(2026, 1, 2, 3, 4, 6, DateTimeKind.Utc),
    };

    /// <summary>A table over its own store.</summary>
    private sealed class Rig(TestClusterStore store, IMembershipTable table) : IAsyncDisposable
    {
        public IMembershipTable Table { get; } = table;

        public static async Task<Rig> StartAsync(string kind)
        {
            TestClusterStore store = await TestClusterStore.StartAsync(kind);
            ClusterStore cluster = ClusterStore.TryParse(store.Cluster, out _)!;
            IMembershipTable table = cluster.Kind == ClusterKind.File
                ? new FileMembershipTable(new MembershipDatabase(cluster.Connection, cluster.ClusterId))
                : AzureTableStore.Membership(cluster);
            await table.InitializeMembershipTableAsync(true, default);
            return new Rig(store, table);
        }

        public Task<MembershipTableData> ReadAsync() => Table.ReadAllAsync(default);

        public async Task<bool> InsertAsync(MembershipEntry entry) => await Table.InsertRowAsync(entry, (await ReadAsync()).Version.Next(), default);

        public async ValueTask DisposeAsync()
        {
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            await store.DisposeAsync();
        }
    }
}
