using ServingGrid.Kernels.Ilgpu;
using ServingGrid.Testing;

namespace ServingGrid.Kernels.Tests.Ilgpu;

public sealed class GpuNodesTests
{
    [Theory]
    [InlineData("null", false)]
    [InlineData("tty0", false)]
    [InlineData("dri", true)]
    [InlineData("nvidia0", true)]
    [InlineData("nvidiactl", true)]
    [InlineData("kfd", true)]
    [InlineData("dxg", true)]
    [InlineData("mali0", true)]
    public void Find_FolderWithANode_KnowsWhichAreOfGpus(string node, bool expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, node), "");
        Assert.Equal(expected, GpuNodes.Find(folder.Path));
    }

    [Fact]
    public void Find_NoSuchFolder_RulesNothingOut() => Assert.True(GpuNodes.Find("/no/such/folder"));
}
