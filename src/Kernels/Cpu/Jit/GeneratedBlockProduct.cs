using Iced.Intel;
using ServingGrid.Kernels.Cpu.Attention;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// Attention's product as generated code: one routine for each number of rows and type of b, without and with softmax; and one for each number of rows over
/// many blocks.
/// </summary>
internal sealed unsafe class GeneratedBlockProduct : BlockProduct
{
    private const int Rows = 8;
    private const int Runs = 4 * Rows;
    private readonly CodeMemory[] _code = new CodeMemory[Runs + Rows];
    private readonly nint[] _entries = new nint[Runs + Rows];

    public GeneratedBlockProduct()
    {
        for (int i = 0; i < _code.Length; i++)
        {
            var assembler = new Assembler(64);
            if (i >= Runs)
            {
                new BlockRunEmitter(assembler, i % Rows + 1).Emit();
            }
            else
            {
                new BlockProductEmitter(assembler, i % Rows + 1, i / Rows % 2 == 1).Emit(softmax: i >= 2 * Rows);
            }

            _code[i] = CodeMemory.Create(assembler);
            _entries[i] = _code[i].Entry;
        }
    }

    public override int MaxRows => Rows;

    public override int RowMultiple => 1;

    public override bool ReadsHalf => true;

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
        Call(rows - 1 + (half ? Rows : 0), &arguments);
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
        return Call(2 * Rows + rows - 1 + (source.Half ? Rows : 0), &arguments) != 0;
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
            ValueStride = run.HeadSize * 2,
            Scores = run.Scores,
            States = run.States,
            StateStride = run.StateFloats * sizeof(float),
            Fresh = run.IsFresh ? 1 : 0,
        };
        return Call(Runs + run.Rows - 1, &arguments);
    }

    private int Call(int routine, void* arguments)
    {
        int result = ((delegate* unmanaged[SuppressGCTransition]<void*, int>)_entries[routine])(arguments);
        GC.KeepAlive(this);
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
