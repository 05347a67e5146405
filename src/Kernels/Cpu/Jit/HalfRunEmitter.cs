using Iced.Intel;
using ServingGrid.Kernels.Cpu.Attention;
using static Iced.Intel.AssemblerRegisters;
using static ServingGrid.Kernels.Cpu.Jit.RowRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// <see cref="BlockRunEmitter"/> for F16 caches: the additions are those of <see cref="BlockProductEmitter"/>, in the same order.
/// </summary>
internal sealed class HalfRunEmitter(Assembler code, int rows) : BlockRunEmitter(code, rows)
{
    protected override bool FillsPages => true;

    protected override void Keys()
    {
        for (int t = 0; t < Rows; t++)
        {
            Code.vpxord(First(t), First(t), First(t));
            Code.vpxord(Second(t), Second(t), Second(t));
        }

        Code.mov(rax, r14);
        Code.mov(rdx, __qword_ptr[rdi + RowStride]);
        RowAddress.EmitStrides(Code);
        Code.mov(r9, __qword_ptr[rdi + HeadSize]);
        Code.shr(r9, 3);
        Label loop = Code.CreateLabel();
        Code.Label(ref loop);
        for (int i = 0; i < Unrolled; i++)
        {
            Load(1, i * LineBytes);
            for (int t = 0; t < Rows; t++)
            {
                AssemblerMemoryOperand a = RowAddress.Broadcast(t, i * sizeof(float));
                Code.vfmadd231ps(First(t), zmm16, a);
                Code.vfmadd231ps(Second(t), zmm17, a);
            }
        }

        Code.add(rax, Unrolled * sizeof(float));
        Code.add(rcx, Unrolled * LineBytes);
        Code.dec(r9);
        Code.jnz(loop);
    }

    protected override void Values(int stripes)
    {
        int vectors = 2 * stripes;
        Sums(vectors, (row, vector, address) => Code.vmovups(Sum(row, vector, vectors), address));
        Code.mov(rax, r14);
        Code.mov(rcx, r10);
        Code.mov(r9d, BlockProduct.Columns / Unrolled);
        Label loop = Code.CreateLabel();
        Code.Label(ref loop);
        for (int i = 0; i < Unrolled; i++)
        {
            Load(stripes, 0);
            Code.add(rcx, r8);
            for (int t = 0; t < Rows; t++)
            {
                for (int j = 0; j < vectors; j++)
                {
                    Code.vfmadd231ps(Sum(t, j, vectors), Wide(j), __dword_bcst[rax + (t * ScoreStride) + (i * sizeof(float))]);
                }
            }
        }

        Code.add(rax, Unrolled * sizeof(float));
        Code.dec(r9);
        Code.jnz(loop);
        Sums(vectors, (row, vector, address) => Code.vmovups(address, Sum(row, vector, vectors)));
    }

    /// <summary>Lines of 32 F16 as F32, and as many of a later region asked for.</summary>
    private void Load(int lines, int offset)
    {
        Prefetch(lines, offset);
        for (int j = 0; j < 2 * lines; j++)
        {
            Code.vcvtph2ps(Wide(j), __ymmword_ptr[rcx + (offset + (j * LineBytes / 2))]);
        }
    }
}
