using ServingGrid.Kernels.Cpu;

namespace ServingGrid.Kernels.Tests.Cpu;

public sealed class CoreListTests
{
    [Theory]
    [InlineData("1", new[] { 1 })]
    [InlineData("2-5,8", new[] { 2, 3, 4, 5, 8 })]
    [InlineData("3,0-1", new[] { 3, 0, 1 })]
    [InlineData("1023", new[] { 1023 })]
    public void TryParse_List_InItsOrder(string text, int[] cores) => Assert.Equal(cores, CoreList.TryParse(text, out _));

    [Theory]
    [InlineData("", "''")]
    [InlineData("1,", "''")]
    [InlineData("one", "'one'")]
    [InlineData("-1", "'-1'")]
    [InlineData("5-2", "'5-2'")]
    [InlineData("1-2-3", "'1-2-3'")]
    [InlineData("1024", "'1024'")]
    [InlineData("0-9999999999", "'0-9999999999'")]
    [InlineData("1,0-2", "core 1 is there twice")]
    public void TryParse_NotAList_SaysWhy(string text, string fault)
    {
        Assert.Null(CoreList.TryParse(text, out string found));
        Assert.Contains(fault, found);
    }
}
