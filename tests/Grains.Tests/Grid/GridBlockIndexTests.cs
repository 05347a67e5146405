using CsCheck;
using ServingGrid.Grains.Grid;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class GridBlockIndexTests
{
    [Fact]
    public void Match_AnyHistory_EqualsPlainPrefixes() =>
        Gen.Int[0, 1_000_000].Sample(seed =>
        {
            const int Devices = 5;
            Random random = new(seed);
            GridBlockIndex index = new();
            HashSet<ulong>[] truth = [.. Enumerable.Range(0, Devices).Select(_ => new HashSet<ulong>())];
            for (int step = 0; step < 300; step++)
            {
                int device = random.Next(Devices);
                ulong hash = (ulong)random.Next(12);
                switch (random.Next(10))
                {
                    case < 7:
                        index.Add(device, hash);
                        truth[device].Add(hash);
                        break;
                    case < 9:
                        index.Remove(device, hash);
                        truth[device].Remove(hash);
                        break;
                    default:
                        index.Clear(device);
                        truth[device].Clear();
                        break;
                }
            }

            ulong[] chain = [.. Enumerable.Range(0, 12).Select(i => (ulong)i)];
            int[] matched = new int[Devices];
            index.Match(chain, matched);
            Assert.Equal(truth.Select(held => chain.TakeWhile(held.Contains).Count()), matched);
            Assert.Equal(truth.SelectMany(held => held).Distinct().Count(), index.Count);
            Assert.Equal(truth.Select(held => held.Count), Enumerable.Range(0, Devices).Select(index.CountOf));
        }, seed: "0000KOIKNSXx2");
}
