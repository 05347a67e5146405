using CsCheck;
using ServingGrid.Kernels.Cpu.Attention;

namespace ServingGrid.Kernels.Tests.Cpu.Attention;

public sealed class AttentionPlanTests
{
    private const int BlockSize = 32;
    private const int KvHeads = 3;

    private static readonly AttentionGeometry Geometry = new(new AttentionShape(9, KvHeads, 64), new KvLayout(1, KvHeads, 64, BlockSize));

    [Fact]
    public void Build_AnyStep_EveryHeadOfEveryQueryOnceAndStatesApart() =>
        Gen.Select(Gen.Select(Gen.Int[0, 1500], Gen.Int[1, 150]).Array[1, 6], Gen.Int[1, 6], Gen.Bool).Sample(
            (sequences, workers, canMerge) =>
            {
                AttentionPlan plan = Build(workers, canMerge, sequences);
                for (int sequence = 0; sequence < sequences.Length; sequence++)
                {
                    (int context, int rows) = sequences[sequence];
                    for (int head = 0; head < KvHeads; head++)
                    {
                        for (int query = 0; query < rows; query++)
                        {
                            AttentionUnit[] units = [.. plan.Units.ToArray().Where(unit => Covers(unit, sequence, head, query))];
                            AttentionUnit[] merges = [.. plan.Merges.ToArray().Where(unit => Covers(unit, sequence, head, query))];
                            int[] pieces = merges.Length == 0 ? [-1] : [.. Enumerable.Range(0, Assert.Single(merges).Piece)];
                            Assert.Equal(pieces, units.Select(unit => unit.Piece).Order());
                            Assert.True(merges.Length == 0 || pieces.Length >= Geometry.Pieces(context + query));
                        }
                    }
                }

                long next = 0;
                foreach (AttentionUnit unit in plan.Units.ToArray().Where(unit => unit.Piece >= 0))
                {
                    Assert.Equal(next, unit.State);
                    next += (long)unit.Heads * unit.Queries * Geometry.Group * Geometry.StateFloats;
                }

                Assert.Equal(next, plan.StateFloats);
                Assert.All(plan.Units.ToArray(), unit => Assert.True(unit.Heads == 1 || (canMerge && unit.Queries * Geometry.Group <= AttentionGeometry.MergedRows)));
            },
            iter: 200,
            seed: "0000000000000",
            threads: 1);

    [Theory]
    [InlineData(1, 1, 100, KvHeads)]
    [InlineData(1, 4, 1000, KvHeads)]
    [InlineData(2, 2, 1000, KvHeads)]
    [InlineData(2, 8, 10, KvHeads)]
    [InlineData(2, 1, 1000, 1)]
    [InlineData(8, 4, 1000, 1)]
    public void Build_SequencesThatDecode_HeadsTogetherWhereThereAreUnitsEnough(int workers, int sequences, int context, int heads) =>
        Assert.All(Build(workers, canMerge: true, [.. Enumerable.Repeat((context, 1), sequences)]).Units.ToArray(), unit => Assert.Equal(heads, unit.Heads));

    private static AttentionPlan Build(int workers, bool canMerge, (int Context, int Rows)[] sequences)
    {
        StepBatch batch = new(1024, 16);
        foreach ((int context, int rows) in sequences)
        {
            batch.AddSequence(new int[rows], context, [.. Enumerable.Range(0, (context + rows + BlockSize - 1) / BlockSize)], BlockSize, 1);
        }

        AttentionPlan plan = new();
        plan.Build(batch, Geometry, workers, canMerge);
        return plan;
    }

    private static bool Covers(AttentionUnit unit, int sequence, int head, int query) =>
        unit.Sequence == sequence && head >= unit.KvHead && head < unit.KvHead + unit.Heads && query >= unit.FirstQuery && query < unit.FirstQuery + unit.Queries;
}
