using Iced.Intel;
using ServingGrid.Kernels.Cpu.Attention;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// Attention's product as generated code: one routine for each number of rows and type of b, without and with softmax; and one for each number of rows over
/// many blocks of F16, and one for each over blocks of Q8 (generated when the first is asked for).
/// </summary>
internal sealed unsafe class GeneratedBlockProduct : BlockProduct
{
    private const int Rows = 8;
    private readonly CodeMemory[] _products = Generate(4 * Rows, (code, i) => new BlockProductEmitter(code, i % Rows + 1, i / Rows % 2 == 1).Emit(softmax: i >= 2 * Rows));
    private readonly CodeMemory[] _halfRuns = Generate(Rows, (code, i) => new HalfRunEmitter(code, i + 1).Emit());
    private readonly Lazy<CodeMemory[]> _q8Runs = new(() => Generate(Rows, (code, i) => new Q8RunEmitter(code, i + 1).Emit()));

    public override int MaxRows => Rows;

    public override int RowMultiple => 1;

    public override bool ReadsHalf => true;

    public override bool HasRuns(in AttentionGeometry geometry) =>
        geometry.IsPlain && geometry.Layout.BlockSize == Columns && (geometry.Layout.Type == KvType.F16 || (geometry.Layout.Type == KvType.Q8 && CpuFeatures.Avx512Vnni));

    public override void Run(int rows, float* a, int aStride, void* b, int bStride, bool half, nint ahead, int depth, float* c, int cStride, bool accumulate)
    {
        var arguments = new BlockProductArguments
        {
            A = a,
            AStride = aStride * sizeof(float),
            B = b,
            BStride = bStride * (half ? 2 : 4),
            Depth = depth,
            C = c,
            CStride = cStride * sizeof(float),
            Accumulate = accumulate ? 1 : 0,
            Ahead = ahead,
        };
        Call(_products[rows - 1 + (half ? Rows : 0)], &arguments);
    }

    public override bool RunSoftmax(int rows, float* queries, int depth, in KvSource source, float* scores, float* states, int stateFloats)
    {
        var arguments = new BlockProductArguments
        {
            A = queries,
            AStride = depth * sizeof(float),
            B = source.KeyColumn(0),
            BStride = source.KeyStride * (source.Half ? 2 : 4),
            Depth = depth,
            C = scores,
            CStride = Columns * sizeof(float),
            Ahead = source.Ahead,
            States = states,
            StateStride = stateFloats * sizeof(float),
        };
        return Call(_products[2 * Rows + rows - 1 + (source.Half ? Rows : 0)], &arguments) != 0;
    }

    public override int RunBlocks(in BlockRun run)
    {
        var arguments = new BlockRunArguments
        {
            Queries = run.Queries,
            QueryStride = run.HeadSize * sizeof(float),
            Regions = run.Regions,
            Count = run.Blocks,
            Heads = run.Heads,
            HeadSize = run.HeadSize,
            Ahead = run.RegionsAhead * sizeof(nint),

            // F16: from slot to slot. Q8: two slots lie side by side.
            ValueStride = run.HeadSize * 2,
            Scores = run.Scores,
            States = run.States,
            StateStride = run.StateFloats * sizeof(float),
            Fresh = run.IsFresh ? 1 : 0,
        };
        return Call((run.Type == KvType.Q8 ? _q8Runs.Value : _halfRuns)[run.Rows - 1], &arguments);
    }

    private static CodeMemory[] Generate(int count, Action<Assembler, int> emit)
    {
        var routines = new CodeMemory[count];
        for (int i = 0; i < count; i++)
        {
            var code = new Assembler(64);
            emit(code, i);
            routines[i] = CodeMemory.Create(code);
        }

        return routines;
    }

    private static int Call(CodeMemory routine, void* arguments)
    {
        int result = ((delegate* unmanaged[SuppressGCTransition]<void*, int>)routine.Entry)(arguments);
        GC.KeepAlive(routine);
        return result;
    }
}

/// <summary>What the generated code is called with, by pointer in RDI; strides in bytes. Eleven fields of 8 bytes, in this order.</summary>
internal unsafe struct BlockProductArguments
{
    public float* A;
    public nint AStride;
    public void* B;
    public nint BStride;
    public nint Depth;
    public float* C;
    public nint CStride;
    public nint Accumulate;
    public nint Ahead;
    public float* States;
    public nint StateStride;
}

/// <summary>What <see cref="BlockRunEmitter"/>'s code is called with, by pointer in RDI; strides in bytes. Twelve fields of 8 bytes, in this order.</summary>
internal unsafe struct BlockRunArguments
{
    public float* Queries;
    public nint QueryStride;
    public nint* Regions;
    public nint Count;
    public nint Heads;
    public nint HeadSize;
    public nint Ahead;
    public nint ValueStride;
    public float* Scores;
    public float* States;
    public nint StateStride;
    public nint Fresh;
}
