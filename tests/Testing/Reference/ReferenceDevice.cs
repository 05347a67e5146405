using System.Numerics.Tensors;
using ServingGrid.Kernels;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using Tensor = ServingGrid.Kernels.Tensor;

namespace ServingGrid.Testing.Reference;

/// <summary>
/// The plain meaning of every device operation: F32 arithmetic on dequantised weights, one row after the other, nothing
/// fused. Every other device is compared with it, and golden logits of exact arithmetic are checked on it.
/// </summary>
public partial class ReferenceDevice : Device
{
    private StepBatch? _batch;

    public override DeviceInfo Info { get; } = new("reference", "plain reference", "F32", 0, NumericsClass.Name("reference", 1));

    public override long FreeMemoryBytes => 256L << 20;

    private StepBatch Batch => _batch ?? throw new InvalidOperationException("BeginStep has not been called");

    public override Tensor AllocateTensor(int rows, int columns) => new ReferenceTensor(rows, columns);

    public override Vector LoadVector(TensorData source)
    {
        float[] values = new float[source.Columns];
        Dequantizer.DequantizeRow(source.Type, source.Row(0), values);
        return new ReferenceVector(values);
    }

    public override Matrix LoadMatrix(TensorData source) => new ReferenceMatrix(source);

    public override RopeTable LoadRope(RopeParameters rope, int maxPositions)
    {
        int pairs = rope.Dimensions / 2;
        float[] cosines = new float[maxPositions * pairs];
        float[] sines = new float[maxPositions * pairs];
        for (int p = 0; p < maxPositions; p++)
        {
            for (int i = 0; i < pairs; i++)
            {
                (double sin, double cos) = Math.SinCos((double)p * rope.InverseFrequencies[i]);
                cosines[p * pairs + i] = (float)(cos * rope.Magnitude);
                sines[p * pairs + i] = (float)(sin * rope.Magnitude);
            }
        }

        return new ReferenceRope(cosines, sines, pairs, rope.Style == RopeStyle.Interleaved);
    }

    public override KvCache AllocateKvCache(KvLayout layout, int blockCount) => new ReferenceKvCache(layout, blockCount);

    public override void BeginStep(StepBatch batch) => _batch = batch;

    public override void Embed(Matrix embeddings, Tensor output)
    {
        for (int r = 0; r < Batch.RowCount; r++)
        {
            ((ReferenceMatrix)embeddings).Row(Batch.Tokens[r]).CopyTo(Row(output, r));
        }
    }

    public override void NormedProjection(Tensor input, Vector norm, float epsilon, ReadOnlySpan<Projection> projections)
    {
        float[] normed = new float[input.Columns];
        for (int r = 0; r < Batch.RowCount; r++)
        {
            RmsNorm(Row(input, r), Values(norm), epsilon, normed);
            foreach (Projection projection in projections)
            {
                Multiply(projection.Weights, normed, projection.Bias, Row(projection.Output, r));
            }
        }
    }

    public override void RopeAppend(Tensor query, Tensor key, Tensor value, AttentionShape shape, RopeTable rope, HeadNorm? headNorm, KvCache cache, int layer)
    {
        var kv = (ReferenceKvCache)cache;
        KvLayout layout = cache.Layout;
        for (int r = 0; r < Batch.RowCount; r++)
        {
            int position = Batch.Positions[r];
            Prepare(Row(query, r), shape.Heads, headNorm?.Query);
            Prepare(Row(key, r), shape.KvHeads, headNorm?.Key);

            (int block, int slot) = Slot(Batch.Sequences[Batch.RowSequence[r]], position, layout.BlockSize);
            Span<float> target = kv.Block(layer, block);
            for (int h = 0; h < shape.KvHeads; h++)
            {
                float[] keys = kv.Round(Row(key, r).Slice(h * shape.HeadSize, shape.HeadSize));
                float[] values = kv.Round(Row(value, r).Slice(h * shape.HeadSize, shape.HeadSize));
                for (int d = 0; d < shape.HeadSize; d++)
                {
                    target[layout.KeyOffset(h, d, slot)] = keys[d];
                    target[layout.ValueOffset(h, slot, d)] = values[d];
                }
            }

            void Prepare(Span<float> row, int heads, Vector? norm)
            {
                for (int h = 0; h < heads; h++)
                {
                    Span<float> head = row.Slice(h * shape.HeadSize, shape.HeadSize);
                    if (norm is not null)
                    {
                        RmsNorm(head, Values(norm), headNorm!.Epsilon, head);
                    }

                    ((ReferenceRope)rope).Rotate(head, position);
                }
            }
        }
    }

    public override void Attention(Tensor query, KvCache cache, int layer, AttentionShape shape, Tensor output)
    {
        var kv = (ReferenceKvCache)cache;
        KvLayout layout = cache.Layout;
        float scale = 1f / MathF.Sqrt(shape.HeadSize);
        for (int r = 0; r < Batch.RowCount; r++)
        {
            int context = Batch.Positions[r] + 1;
            SequenceRows sequence = Batch.Sequences[Batch.RowSequence[r]];
            float[] scores = new float[context];
            for (int h = 0; h < shape.Heads; h++)
            {
                int kvHead = h / (shape.Heads / shape.KvHeads);
                ReadOnlySpan<float> q = Row(query, r).Slice(h * shape.HeadSize, shape.HeadSize);
                for (int p = 0; p < context; p++)
                {
                    (int block, int slot) = Slot(sequence, p, layout.BlockSize);
                    ReadOnlySpan<float> source = kv.Block(layer, block);
                    float sum = 0;
                    for (int d = 0; d < shape.HeadSize; d++)
                    {
                        sum += q[d] * source[layout.KeyOffset(kvHead, d, slot)];
                    }

                    scores[p] = sum * scale;
                }

                float max = TensorPrimitives.Max<float>(scores);
                double total = 0;
                for (int p = 0; p < context; p++)
                {
                    scores[p] = MathF.Exp(scores[p] - max);
                    total += scores[p];
                }

                Span<float> target = Row(output, r).Slice(h * shape.HeadSize, shape.HeadSize);
                target.Clear();
                for (int p = 0; p < context; p++)
                {
                    (int block, int slot) = Slot(sequence, p, layout.BlockSize);
                    ReadOnlySpan<float> source = kv.Block(layer, block);
                    float weight = (float)(scores[p] / total);
                    for (int d = 0; d < shape.HeadSize; d++)
                    {
                        target[d] += weight * source[layout.ValueOffset(kvHead, slot, d)];
                    }
                }
            }
        }
    }

    public override void ResidualProjection(Tensor input, Matrix weights, Vector? bias, Tensor residual)
    {
        float[] product = new float[weights.Rows];
        for (int r = 0; r < Batch.RowCount; r++)
        {
            Multiply(weights, Row(input, r), bias, product);
            TensorPrimitives.Add(Row(residual, r), product, Row(residual, r));
        }
    }

    public override void GatedFeedForward(Tensor residual, Vector norm, float epsilon, Matrix gate, Matrix up, Matrix down)
    {
        float[] normed = new float[residual.Columns];
        float[] gated = new float[gate.Rows];
        float[] upper = new float[up.Rows];
        float[] product = new float[down.Rows];
        for (int r = 0; r < Batch.RowCount; r++)
        {
            RmsNorm(Row(residual, r), Values(norm), epsilon, normed);
            Multiply(gate, normed, null, gated);
            Multiply(up, normed, null, upper);
            for (int i = 0; i < gated.Length; i++)
            {
                gated[i] = gated[i] / (1f + MathF.Exp(-gated[i])) * upper[i];
            }

            Multiply(down, gated, null, product);
            TensorPrimitives.Add(Row(residual, r), product, Row(residual, r));
        }
    }

    public override void Logits(Tensor hidden, Vector norm, float epsilon, Matrix output, Tensor logits)
    {
        float[] normed = new float[hidden.Columns];
        for (int i = 0; i < Batch.SampledRowCount; i++)
        {
            RmsNorm(Row(hidden, Batch.SampledRows[i]), Values(norm), epsilon, normed);
            Multiply(output, normed, null, Row(logits, i));
        }
    }

    public override void TopCandidates(Tensor logits, int rows, int count, Span<int> ids, Span<float> values)
    {
        for (int r = 0; r < rows; r++)
        {
            float[] row = Row(logits, r).ToArray();
            IEnumerable<int> order = Enumerable.Range(0, row.Length)
                .OrderByDescending(i => float.IsNaN(row[i])).ThenByDescending(i => row[i]).ThenBy(i => i);
            int[] best = [.. order.Take(count)];
            for (int i = 0; i < count; i++)
            {
                ids[r * count + i] = best[i];
                values[r * count + i] = row[best[i]];
            }
        }
    }

    public override void Dispose()
    {
    }

    private static Span<float> Row(Tensor tensor, int row) => ((ReferenceTensor)tensor).Row(row);

    private static ReadOnlySpan<float> Values(Vector vector) => ((ReferenceVector)vector).Values;

    private static void RmsNorm(ReadOnlySpan<float> input, ReadOnlySpan<float> norm, float epsilon, Span<float> output)
    {
        double sum = 0;
        foreach (float x in input)
        {
            sum += (double)x * x;
        }

        float scale = (float)(1 / Math.Sqrt(sum / input.Length + epsilon));
        for (int i = 0; i < input.Length; i++)
        {
            output[i] = input[i] * scale * norm[i];
        }
    }

    private static void Multiply(Matrix weights, ReadOnlySpan<float> input, Vector? bias, Span<float> output)
    {
        var matrix = (ReferenceMatrix)weights;
        for (int o = 0; o < matrix.Rows; o++)
        {
            output[o] = TensorPrimitives.Dot(matrix.Row(o), input) + (bias is null ? 0 : Values(bias)[o]);
        }
    }

    private (int Block, int Slot) Slot(SequenceRows sequence, int position, int blockSize) =>
        (Batch.Blocks[sequence.FirstBlock + position / blockSize], position % blockSize);
}
