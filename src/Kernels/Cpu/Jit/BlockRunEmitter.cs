using Iced.Intel;
using ServingGrid.Kernels.Cpu.Attention;
using static Iced.Intel.AssemblerRegisters;
using static ServingGrid.Kernels.Cpu.Jit.RowRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// Emits <see cref="BlockProduct.RunBlocks"/> for AVX-512: scores, softmax and weighted values of a few rows, block after block, as long as every row sees all
/// slots and no row's maximum must be raised. The additions are those of <see cref="BlockProductEmitter"/> and <see cref="SoftmaxEmitter"/>, in the same order: equal
/// to the bit.
/// </summary>
/// <remarks>
/// <para>
/// With three rows, the group of many small models, a fifth of a block's time went to calls and to loops that had hardly begun: a block of one head is 128 steps.
/// </para>
/// <code>
/// rdi arguments   rbx where the next block's address is   r12 blocks left   r13 distance of what comes next   r14 keys, then a stripe of the values
/// r15 the stripe's sums   rbp stripes left   rcx b   r8 stride of the values   r9 steps left   rax a   rdx, rsi, r10, r11: 1, 3, 5, 7 strides of a
/// zmm0–7 first vector of each row   zmm8–15 second   zmm16, zmm17 b   zmm18–30 softmax
/// </code>
/// </remarks>
internal sealed class BlockRunEmitter(Assembler code, int rows)
{
    private const int Unrolled = 8;
    private const int LineBytes = 64;
    private const int ScoreStride = BlockProduct.Columns * sizeof(float);
    private const int RowStride = 8;
    private const int Blocks = 16;
    private const int Count = 24;
    private const int Depth = 32;
    private const int ValueOffset = 40;
    private const int ValueStride = 48;
    private const int Scores = 56;
    private const int States = 64;
    private const int StateStride = 72;

    private static readonly AssemblerRegister64[] Saved = [rbx, rbp, r12, r13, r14, r15];

    public void Emit()
    {
        var softmax = new SoftmaxEmitter(code, rows);
        Array.ForEach(Saved, code.push);
        code.mov(rbx, __qword_ptr[rdi + Blocks]);
        code.mov(r12, __qword_ptr[rdi + Count]);
        softmax.Constants();
        Label block = code.CreateLabel();
        Label stop = code.CreateLabel();
        code.Label(ref block);
        code.mov(r14, __qword_ptr[rbx]);
        code.mov(r13, __qword_ptr[rbx + 8]);
        code.sub(r13, r14);
        Keys();
        code.mov(r9, __qword_ptr[rdi + Scores]);
        code.mov(edx, ScoreStride);
        code.mov(rsi, __qword_ptr[rdi + States]);
        code.mov(r8, __qword_ptr[rdi + StateStride]);
        softmax.Check(stop);
        softmax.Probabilities();
        Values();
        code.add(rbx, 8);
        code.dec(r12);
        code.jnz(block);
        code.Label(ref stop);
        code.mov(rax, __qword_ptr[rdi + Count]);
        code.sub(rax, r12);
        code.vzeroupper();
        Array.ForEach([.. Saved.Reverse()], code.pop);
        code.ret();
    }

    private void Keys()
    {
        for (int t = 0; t < rows; t++)
        {
            code.vpxord(First(t), First(t), First(t));
            code.vpxord(Second(t), Second(t), Second(t));
        }

        code.mov(rcx, r14);
        code.mov(rax, __qword_ptr[rdi]);
        code.mov(rdx, __qword_ptr[rdi + RowStride]);
        RowAddress.EmitStrides(code);
        code.mov(r9, __qword_ptr[rdi + Depth]);
        code.shr(r9, 3);
        Label loop = code.CreateLabel();
        code.Label(ref loop);
        for (int i = 0; i < Unrolled; i++)
        {
            Step(i, i * LineBytes);
        }

        code.add(rax, Unrolled * sizeof(float));
        code.add(rcx, Unrolled * LineBytes);
        code.dec(r9);
        code.jnz(loop);
    }

    private void Values()
    {
        code.add(r14, __qword_ptr[rdi + ValueOffset]);
        code.mov(r15, __qword_ptr[rdi + States]);
        code.add(r15, AttentionGeometry.StateOutput * sizeof(float));
        code.mov(r8, __qword_ptr[rdi + ValueStride]);
        code.mov(edx, ScoreStride);
        RowAddress.EmitStrides(code);
        code.mov(rbp, __qword_ptr[rdi + Depth]);
        code.shr(rbp, 5);
        Label stripe = code.CreateLabel();
        code.Label(ref stripe);
        Sums((register, address) => code.vmovups(register, address));
        code.mov(rax, __qword_ptr[rdi + Scores]);
        code.mov(rcx, r14);
        code.mov(r9d, BlockProduct.Columns / Unrolled);
        Label loop = code.CreateLabel();
        code.Label(ref loop);
        for (int i = 0; i < Unrolled; i++)
        {
            Step(i, 0);
            code.add(rcx, r8);
        }

        code.add(rax, Unrolled * sizeof(float));
        code.dec(r9);
        code.jnz(loop);
        Sums((register, address) => code.vmovups(address, register));
        code.add(r14, LineBytes);
        code.add(r15, BlockProduct.Columns * sizeof(float));
        code.dec(rbp);
        code.jnz(stripe);
    }

    /// <summary>One line of keys or values, and the same one of the next block asked for.</summary>
    private void Step(int column, int line)
    {
        code.prefetcht1(__byte_ptr[rcx + r13 + line]);
        code.vcvtph2ps(zmm16, __ymmword_ptr[rcx + line]);
        code.vcvtph2ps(zmm17, __ymmword_ptr[rcx + line + 32]);
        for (int t = 0; t < rows; t++)
        {
            AssemblerMemoryOperand a = RowAddress.Broadcast(t, column * sizeof(float));
            code.vfmadd231ps(First(t), zmm16, a);
            code.vfmadd231ps(Second(t), zmm17, a);
        }
    }

    private void Sums(Action<AssemblerRegisterZMM, AssemblerMemoryOperand> move)
    {
        code.mov(r9, r15);
        for (int t = 0; t < rows; t++)
        {
            move(First(t), __zmmword_ptr[r9]);
            move(Second(t), __zmmword_ptr[r9 + LineBytes]);
            code.add(r9, __qword_ptr[rdi + StateStride]);
        }
    }
}
