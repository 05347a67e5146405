using ServingGrid.Model;
using ServingGrid.Model.Gguf;

namespace ServingGrid.Kernels.Tests.Suite;

/// <summary>
/// The suite for devices that work in memory of their own: misuse is refused with an exception before that memory is touched,
/// and the device stays in service; and what F32 does not hold shows.
/// </summary>
public abstract class CheckedDeviceSuite : DeviceSuite
{
    [Fact]
    public void Embed_TokenBeyondTheTable_Throws()
    {
        using Matrix table = Device.LoadMatrix(Numbers.Matrix(GgmlType.Q8_0, 64, 64, 1));
        using Tensor output = Device.AllocateTensor(4, 64);
        Device.BeginStep(Tokens(1, 2, 64));
        Assert.Throws<ArgumentException>(() => Device.Embed(table, output));
        Device.BeginStep(Tokens(1, 2, -1));
        Assert.Throws<ArgumentException>(() => Device.Embed(table, output));
        Device.BeginStep(Tokens(1, 2, 63));
        Device.Embed(table, output);
    }

    [Fact]
    public void Products_ShapesThatDoNotFit_Throw()
    {
        using Matrix matrix = Device.LoadMatrix(Numbers.Matrix(GgmlType.Q8_0, 64, 64, 1));
        using Matrix tall = Device.LoadMatrix(Numbers.Matrix(GgmlType.Q8_0, 96, 64, 1));
        using Tensor tooNarrow = Device.AllocateTensor(4, 32);
        using Tensor tooFew = Device.AllocateTensor(2, 64);
        using Tensor right = Device.AllocateTensor(4, 64);
        using Vector norm = Device.LoadVector(TensorData.FromFloats("norm", 1, 32, new float[32]));
        Device.BeginStep(Tokens(1, 2, 3));
        Assert.Throws<ArgumentException>(() => Device.ResidualProjection(tooNarrow, matrix, null, right));
        Assert.Throws<ArgumentException>(() => Device.ResidualProjection(right, matrix, null, tooFew));
        Assert.Throws<ArgumentException>(() => Device.ResidualProjection(tooFew, matrix, null, right));
        Assert.Throws<ArgumentException>(() => Device.ResidualProjection(right, matrix, norm, right));
        Assert.Throws<ArgumentException>(() => Device.NormedProjection(right, norm, 1e-5f, [new Projection(matrix, null, right)]));
        Assert.Throws<ArgumentException>(() => Device.GatedFeedForward(right, norm, 1e-5f, matrix, matrix, matrix));
        Assert.Throws<ArgumentException>(() => Device.GatedFeedForward(right, norm, 1e-5f, tall, matrix, matrix));
        Assert.Throws<ArgumentException>(() => Device.Logits(right, norm, 1e-5f, matrix, right));
    }

    [Fact]
    public void Blocks_BeyondTheCache_Throw()
    {
        using KvCache cache = Device.AllocateKvCache(new KvLayout(2, 1, 32), 4);
        byte[] bytes = new byte[2 * cache.Layout.BlockBytes];
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.CopyBlocks(cache, [4], [0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.CopyBlocks(cache, [0], [-1]));
        Assert.Throws<ArgumentException>(() => Device.CopyBlocks(cache, [0, 1], [2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Gather(cache, 0, 1, [-1], bytes, null));
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Scatter(cache, 1, 2, [0], bytes));
        Assert.Throws<ArgumentException>(() => Device.Gather(cache, 0, 2, [0, 1], bytes, null));
    }

    [Fact]
    public void Attention_WhatDoesNotFitTheCache_Throws()
    {
        using KvCache cache = Device.AllocateKvCache(new KvLayout(1, 1, 32), 4);
        using RopeTable rope = Device.LoadRope(new RopeParameters(RopeStyle.Halves, 32, new float[16]), 3);
        using RopeTable tooShort = Device.LoadRope(new RopeParameters(RopeStyle.Halves, 32, new float[16]), 2);
        using RopeTable tooWide = Device.LoadRope(new RopeParameters(RopeStyle.Halves, 64, new float[32]), 3);
        using Tensor right = Device.AllocateTensor(4, 32);
        using Tensor tooFew = Device.AllocateTensor(2, 32);
        var shape = new AttentionShape(1, 1, 32);
        Device.BeginStep(Tokens(1, 2, 3));
        Assert.Throws<ArgumentException>(() => Device.RopeAppend(right, right, right, shape, tooShort, null, cache, 0));
        Assert.Throws<ArgumentException>(() => Device.RopeAppend(right, right, right, shape, tooWide, null, cache, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.RopeAppend(right, right, right, shape, rope, null, cache, 1));
        Assert.Throws<ArgumentException>(() => Device.RopeAppend(right, tooFew, right, shape, rope, null, cache, 0));
        Assert.Throws<ArgumentException>(() => Device.Attention(right, cache, 0, new AttentionShape(2, 2, 16), right));
        Assert.Throws<ArgumentException>(() => Device.Attention(right, cache, 0, shape, tooFew));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(4)]
    [InlineData(int.MaxValue)]
    public void Attention_BlockTableBeyondTheCache_Throws(int block)
    {
        using KvCache cache = Device.AllocateKvCache(new KvLayout(1, 1, 32), 4);
        using RopeTable rope = Device.LoadRope(new RopeParameters(RopeStyle.Halves, 32, new float[16]), 65);
        using Tensor rows = Device.AllocateTensor(2, 32);
        var shape = new AttentionShape(1, 1, 32);
        var batch = new StepBatch(2, 2);

        // The wrong one is read, not written, and stands between right ones.
        batch.AddSequence([1], 64, [0, block, 2], 32, 1);
        batch.AddSequence([1], 0, [3], 32, 1);
        Device.BeginStep(batch);
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.RopeAppend(rows, rows, rows, shape, rope, null, cache, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Attention(rows, cache, 0, shape, rows));
    }

    [Fact]
    public void Attention_BlocksOfAnotherSize_Throws()
    {
        using KvCache cache = Device.AllocateKvCache(new KvLayout(1, 1, 32, BlockSize: 8), 4);
        using RopeTable rope = Device.LoadRope(new RopeParameters(RopeStyle.Halves, 32, new float[16]), 3);
        using Tensor rows = Device.AllocateTensor(4, 32);
        var shape = new AttentionShape(1, 1, 32);
        Device.BeginStep(Tokens(1, 2, 3));
        Assert.Throws<ArgumentException>(() => Device.RopeAppend(rows, rows, rows, shape, rope, null, cache, 0));
        Assert.Throws<ArgumentException>(() => Device.Attention(rows, cache, 0, shape, rows));
    }

    [Fact]
    public void TopCandidates_MoreThanThereAreOrThanFit_Throws()
    {
        using Tensor logits = Device.AllocateTensor(2, 8);
        int[] ids = new int[16];
        float[] values = new float[16];
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.TopCandidates(logits, 3, 1, ids, values));
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.TopCandidates(logits, 1, 9, ids, values));
        Assert.Throws<ArgumentException>(() => Device.TopCandidates(logits, 2, 8, ids, new float[15]));
        Device.TopCandidates(logits, 2, 8, ids, values);
    }

    [Fact]
    public void ReadAndWrite_RowsBeyondTheTensor_Throw()
    {
        using Tensor tensor = Device.AllocateTensor(2, 8);
        float[] values = new float[16];
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Read(tensor, 1, 2, values));
        Assert.Throws<ArgumentOutOfRangeException>(() => Device.Write(tensor, -1, 1, values));
        Assert.Throws<ArgumentException>(() => Device.Read(tensor, 0, 2, new float[15]));
        Device.Write(tensor, 0, 2, values);
    }

    /// <summary>Squares that F32 does not hold: an inverse of zero would make a row of zeros, which looks like a result.</summary>
    [Fact]
    public void NormedProjection_RowWhoseSquaresOverflow_Shows()
    {
        const int Columns = 64;
        using Matrix weights = Device.LoadMatrix(Numbers.Matrix(GgmlType.Q8_0, Columns, Columns, 31));
        using Vector norm = Device.LoadVector(TensorData.FromFloats("norm", 1, Columns, Numbers.Normal(33, Columns)));
        using Tensor input = Device.AllocateTensor(2, Columns);
        using Tensor output = Device.AllocateTensor(2, Columns);
        float[] values = Numbers.Normal(34, 2 * Columns);
        values[Columns + 5] = 1e30f;
        Device.Write(input, 0, 2, values);
        Device.BeginStep(Tokens(1, 2));
        Device.NormedProjection(input, norm, 1e-5f, [new Projection(weights, null, output)]);
        float[] actual = new float[2 * Columns];
        Device.Read(output, 0, 2, actual);
        Assert.All(actual.Take(Columns), x => Assert.True(float.IsFinite(x)));
        Assert.All(actual.Skip(Columns), x => Assert.False(float.IsFinite(x)));
    }

    private static StepBatch Tokens(params int[] tokens)
    {
        var batch = new StepBatch(4, 1);
        batch.AddSequence(tokens, 0, [0], 32, 1);
        return batch;
    }
}
