using System.Runtime.InteropServices;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Kernels.Tests.Suite;

/// <summary>
/// Feeds sequences through RoPE + append + attention in chunks, side by side, over a cache whose blocks are shuffled and
/// whose unwritten slots hold NaN, so that whatever leaks into a result shows.
/// </summary>
internal sealed class AttentionRig : IDisposable
{
    private const int Blocks = 64;
    private readonly Device _device;
    private readonly AttentionShape _shape;
    private readonly KvLayout _layout;
    private readonly KvCache _cache;
    private readonly RopeTable _rope;
    private readonly HeadNorm? _norm;

    // By seed: ten times the sequence's tokens plus which of query, key and value.
    private readonly Dictionary<int, float[]> _values = [];

    /// <summary>What every word of the cache holds before a run.</summary>
    public uint Unwritten { get; init; } = 0xFFFFFFFF;

    /// <summary>A number that takes the place of another one, in the first sequence of a run.</summary>
    public Change? Change { get; set; }

    public AttentionRig(Device device, AttentionShape shape, KvType type, bool headNorm, RopeStyle style)
    {
        _device = device;
        _shape = shape;
        _layout = new KvLayout(2, shape.KvHeads, shape.HeadSize, 32, type);
        _cache = device.AllocateKvCache(_layout, Blocks);
        int pairs = shape.HeadSize / 2;
        _rope = device.LoadRope(new RopeParameters(style, shape.HeadSize, [.. Enumerable.Range(0, pairs).Select(i => (float)Math.Pow(10000, -(double)i / pairs))]), 512);
        _norm = headNorm ? new HeadNorm(Constant(21), Constant(22), 1e-6f) : null;

        Vector Constant(int seed) => device.LoadVector(TensorData.FromFloats("norm", 1, shape.HeadSize, Numbers.Normal(seed, shape.HeadSize)));
    }

    /// <summary>
    /// Attention outputs of every position of the sequence at index <paramref name="result"/> (of all, one after the other, when
    /// negative). Sequence i always gets the same queries, keys and values for the same number of tokens.
    /// </summary>
    public float[] Run((int Tokens, int Chunk)[] sequences, int result = -1)
    {
        Poison();
        int[][] tables = Tables(sequences);
        int queryColumns = _shape.Heads * _shape.HeadSize;
        int kvColumns = _shape.KvHeads * _shape.HeadSize;
        int maxRows = sequences.Sum(s => s.Chunk);
        using Tensor query = _device.AllocateTensor(maxRows, queryColumns);
        using Tensor key = _device.AllocateTensor(maxRows, kvColumns);
        using Tensor value = _device.AllocateTensor(maxRows, kvColumns);
        using Tensor output = _device.AllocateTensor(maxRows, queryColumns);
        var batch = new StepBatch(maxRows, sequences.Length);
        float[][] results = [.. sequences.Select(s => new float[s.Tokens * queryColumns])];
        int[] done = new int[sequences.Length];
        while (true)
        {
            batch.Clear();
            var members = new List<(int Sequence, int Count)>();
            for (int s = 0; s < sequences.Length; s++)
            {
                int count = Math.Min(sequences[s].Chunk, sequences[s].Tokens - done[s]);
                if (count > 0)
                {
                    int row = batch.RowCount;
                    batch.AddSequence(new int[count], done[s], tables[s], 32, 0);
                    Fill(query, row, count, queryColumns, done[s], sequences[s].Tokens * 10 + 1, s == 0 && Change?.Of == ChangeOf.Query);
                    Fill(key, row, count, kvColumns, done[s], sequences[s].Tokens * 10 + 2, s == 0 && Change?.Of == ChangeOf.Key);
                    Fill(value, row, count, kvColumns, done[s], sequences[s].Tokens * 10 + 3, s == 0 && Change?.Of == ChangeOf.Value);
                    members.Add((s, count));
                }
            }

            if (members.Count == 0)
            {
                break;
            }

            _device.BeginStep(batch);
            _device.RopeAppend(query, key, value, _shape, _rope, _norm, _cache, 1);
            _device.Attention(query, _cache, 1, _shape, output);
            int first = 0;
            foreach ((int s, int count) in members)
            {
                _device.Read(output, first, count, results[s].AsSpan(done[s] * queryColumns, count * queryColumns));
                done[s] += count;
                first += count;
            }
        }

        return result >= 0 ? results[result] : [.. results.SelectMany(r => r)];
    }

    /// <summary>K and V of the first <paramref name="tokens"/> positions of the first sequence of the last run, F32 and Q8 caches only.</summary>
    public float[] Cached(int tokens)
    {
        var values = new List<float>();
        int[] table = Tables([(tokens, tokens)])[0];
        byte[] bytes = new byte[_layout.BlockBytes];
        for (int p = 0; p < tokens; p++)
        {
            _device.Gather(_cache, 1, 1, [table[p / 32]], bytes, null);
            float[] block = new float[2 * _layout.PartElements];
            if (_layout.Type == KvType.Q8)
            {
                Q8Bytes.Read(_layout, bytes, block);
            }
            else
            {
                MemoryMarshal.Cast<byte, float>(bytes).CopyTo(block);
            }

            for (int h = 0; h < _shape.KvHeads; h++)
            {
                for (int d = 0; d < _shape.HeadSize; d++)
                {
                    values.Add(block[_layout.KeyOffset(h, d, p % 32)]);
                    values.Add(block[_layout.ValueOffset(h, p % 32, d)]);
                }
            }
        }

        return [.. values];
    }

    public void Dispose()
    {
        _cache.Dispose();
        _rope.Dispose();
        _norm?.Query.Dispose();
        _norm?.Key.Dispose();
    }

    private void Fill(Tensor tensor, int row, int count, int columns, int position, int seed, bool changed)
    {
        if (!_values.TryGetValue(seed, out float[]? values))
        {
            _values[seed] = values = Numbers.Normal(seed, seed / 10 * columns);
        }

        float[] rows = values[(position * columns)..((position + count) * columns)];
        if (changed && Change is { } change && change.Position >= position && change.Position < position + count)
        {
            rows[((change.Position - position) * columns) + change.Column] = change.Number;
        }

        _device.Write(tensor, row, count, rows);
    }

    private static int[][] Tables((int Tokens, int Chunk)[] sequences)
    {
        int[] shuffled = [.. Enumerable.Range(0, Blocks)];
        new Random(23).Shuffle(shuffled);
        int next = 0;
        return [.. sequences.Select(s => Enumerable.Range(0, (s.Tokens + 31) / 32).Select(_ => shuffled[next++]).ToArray())];
    }

    private void Poison()
    {
        byte[] bytes = new byte[_layout.BlockBytes * _layout.Layers];
        MemoryMarshal.Cast<byte, uint>(bytes.AsSpan()).Fill(Unwritten);
        for (int block = 0; block < Blocks; block++)
        {
            _device.Scatter(_cache, 0, _layout.Layers, [block], bytes);
        }
    }
}

/// <summary>Which of a position's three rows.</summary>
public enum ChangeOf
{
    Query,
    Key,
    Value,
}

/// <summary>A number in a row of queries, keys or values, before RoPE.</summary>
/// <param name="Of">Which row.</param>
/// <param name="Position">Position in the sequence.</param>
/// <param name="Column">Column of the row.</param>
/// <param name="Number">What is put there.</param>
internal readonly record struct Change(ChangeOf Of, int Position, int Column, float Number);
