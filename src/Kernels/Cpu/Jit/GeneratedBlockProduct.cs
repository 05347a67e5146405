using Iced.Intel;
using ServingGrid.Kernels.Cpu.Attention;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>Attention's product as generated code: one routine for each number of rows and type of b.</summary>
internal sealed unsafe class GeneratedBlockProduct : BlockProduct
{
    private const int Rows = 8;
    private readonly CodeMemory[] _code = new CodeMemory[2 * Rows];
    private readonly nint[] _entries = new nint[2 * Rows];

    public GeneratedBlockProduct()
    {
        for (int i = 0; i < _code.Length; i++)
        {
            var assembler = new Assembler(64);
            BlockProductEmitter.Emit(assembler, i % Rows + 1, i >= Rows);
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
        ((delegate* unmanaged[SuppressGCTransition]<BlockProductArguments*, void>)_entries[rows - 1 + (half ? Rows : 0)])(&arguments);
        GC.KeepAlive(this);
    }
}

/// <summary>What the generated code is called with, by pointer in RDI; strides in bytes. Nine fields of 8 bytes, in this order.</summary>
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
}
