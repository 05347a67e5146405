using ServingGrid.Client.Clustering;
using ServingGrid.Testing;

namespace ServingGrid.Client.Tests.Clustering;

public sealed class MembershipDatabaseTests
{
    [Fact]
    public void Initialize_NotADatabase_SaysWhichFile()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("text.db");
        File.WriteAllText(path, new string('x', 5000));

        Assert.Contains(path, Assert.Throws<ClusterStoreException>(new MembershipDatabase(path, "c").Initialize).Message, StringComparison.Ordinal);
    }
}
