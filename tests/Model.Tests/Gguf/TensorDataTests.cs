using System.Globalization;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Gguf;

public class TensorDataTests
{
    [Fact]
    public void DropPages_MappedTensor_LeavesMemoryAndComesBackUnchanged()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "resident pages of a mapping are read from /proc");
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);
        TensorData tensor = file.Tensors["token_embd.weight"];
        byte[] before = ReadAll(tensor);
        long resident = ResidentKilobytes(tensor.Address);

        tensor.DropPages();

        Assert.InRange(ResidentKilobytes(tensor.Address), 0, resident - tensor.ByteLength / 2048);
        Assert.Equal(before, ReadAll(tensor));
    }

    [Fact]
    public void DropPages_TensorOfAnArray_ChangesNothing()
    {
        var tensor = TensorData.FromFloats("t", 64, 64, [.. Enumerable.Range(0, 64 * 64).Select(i => (float)i)]);
        byte[] before = ReadAll(tensor);

        tensor.DropPages();

        Assert.Equal(before, ReadAll(tensor));
    }

    private static byte[] ReadAll(TensorData tensor) => [.. Enumerable.Range(0, tensor.Rows).SelectMany(row => tensor.Row(row).ToArray())];

    /// <summary>Of the mapping that holds an address, as proc(5) describes smaps.</summary>
    private static long ResidentKilobytes(nint address)
    {
        bool found = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split([' ', '-'], StringSplitOptions.RemoveEmptyEntries);
            if (long.TryParse(words[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long start) && long.TryParse(words[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out long end))
            {
                found = address >= start && address < end;
            }
            else if (found && words[0] == "Rss:")
            {
                return long.Parse(words[1], CultureInfo.InvariantCulture);
            }
        }

        throw new InvalidOperationException("no mapping holds the address");
    }
}
