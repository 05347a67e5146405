using ServingGrid.Kernels.Cpu.Memory;

namespace ServingGrid.Kernels.Tests.Cpu.Memory;

public sealed unsafe class WeightArenaTests
{
    [Fact]
    public void Allocate_ManySizes_ZeroedAlignedAndApart()
    {
        var arena = new WeightArena();
        var all = new List<(WeightMemory Memory, int Bytes)>();
        var random = new Random(3);
        for (int i = 0; i < 60; i++)
        {
            int bytes = random.Next(1, 2_000_000);
            WeightMemory memory = arena.Allocate(bytes);
            Assert.Equal(0, (nint)memory.Pointer % 64);
            Assert.Equal(-1, new Span<byte>(memory.Pointer, bytes).IndexOfAnyExcept((byte)0));
            new Span<byte>(memory.Pointer, bytes).Fill((byte)(i + 1));
            all.Add((memory, bytes));
        }

        for (int i = 0; i < all.Count; i += 2)
        {
            all[i].Memory.Dispose();
            all[i].Memory.Dispose();
        }

        for (int i = 1; i < all.Count; i += 2)
        {
            Assert.Equal(-1, new Span<byte>(all[i].Memory.Pointer, all[i].Bytes).IndexOfAnyExcept((byte)(i + 1)));
            all[i].Memory.Dispose();
        }

        Assert.Equal(0, *arena.Allocate(100).Pointer);
    }
}
