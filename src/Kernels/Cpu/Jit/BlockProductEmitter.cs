using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;
using static ServingGrid.Kernels.Cpu.Jit.RowRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// Emits <see cref="Attention.BlockProduct"/> for AVX-512: up to 8 rows by two vectors, all sums in registers, where softmax takes them up.
/// </summary>
/// <remarks>
/// <code>
/// rax a   rdx, rsi, r10, r11: 1, 3, 5, 7 strides of a   rcx b   r8 stride of b   r9 steps left, then c   rdi arguments, in the loop: distance of what comes next
/// zmm0–7 first vector of each row   zmm8–15 second   zmm16, zmm17 b
/// </code>
/// </remarks>
internal sealed class BlockProductEmitter(Assembler code, int rows, bool half)
{
    private const int RowStride = 8;
    private const int Columns = 16;
    private const int ColumnStride = 24;
    private const int Depth = 32;
    private const int Output = 40;
    private const int OutputStride = 48;
    private const int Accumulate = 56;
    private const int Ahead = 64;
    private const int States = 72;
    private const int StateStride = 80;

    /// <param name="softmax">Whether the routine is <see cref="Attention.BlockProduct.RunSoftmax"/>.</param>
    public void Emit(bool softmax)
    {
        code.mov(rax, __qword_ptr[rdi]);
        Start(softmax);
        code.mov(rdx, __qword_ptr[rdi + RowStride]);
        RowAddress.EmitStrides(code);
        code.mov(rcx, __qword_ptr[rdi + Columns]);
        code.mov(r8, __qword_ptr[rdi + ColumnStride]);
        code.mov(r9, __qword_ptr[rdi + Depth]);
        code.push(rdi);
        code.mov(rdi, __qword_ptr[rdi + Ahead]);
        Steps();
        code.pop(rdi);
        code.mov(r9, __qword_ptr[rdi + Output]);
        code.mov(rdx, __qword_ptr[rdi + OutputStride]);
        if (softmax)
        {
            code.mov(rsi, __qword_ptr[rdi + States]);
            code.mov(r8, __qword_ptr[rdi + StateStride]);
            Label raise = code.CreateLabel();
            var emitter = new SoftmaxEmitter(code, rows);
            emitter.Constants();
            emitter.Check(raise);
            emitter.Probabilities();
            code.mov(eax, 1);
            code.vzeroupper();
            code.ret();
            code.Label(ref raise);
        }

        for (int t = 0; t < rows; t++)
        {
            code.vmovups(__zmmword_ptr[r9], First(t));
            code.vmovups(__zmmword_ptr[r9 + 64], Second(t));
            code.add(r9, rdx);
        }

        code.xor(eax, eax);
        code.vzeroupper();
        code.ret();
    }

    /// <summary>Sums start from zero, or from what c holds.</summary>
    private void Start(bool zeroAlways)
    {
        Label zero = code.CreateLabel();
        Label start = code.CreateLabel();
        if (!zeroAlways)
        {
            code.cmp(__qword_ptr[rdi + Accumulate], 0);
            code.je(zero);
            code.mov(r9, __qword_ptr[rdi + Output]);
            code.mov(rdx, __qword_ptr[rdi + OutputStride]);
            for (int t = 0; t < rows; t++)
            {
                code.vmovups(First(t), __zmmword_ptr[r9]);
                code.vmovups(Second(t), __zmmword_ptr[r9 + 64]);
                code.add(r9, rdx);
            }

            code.jmp(start);
            code.Label(ref zero);
        }

        for (int t = 0; t < rows; t++)
        {
            code.vpxord(First(t), First(t), First(t));
            code.vpxord(Second(t), Second(t), Second(t));
        }

        if (!zeroAlways)
        {
            code.Label(ref start);
        }
    }

    private void Steps()
    {
        Label loop = code.CreateLabel();
        code.Label(ref loop);
        if (half)
        {
            // One line for each step: as much of the next block as is read of this one, at the same pace.
            code.prefetcht1(__byte_ptr[rcx + rdi]);
            code.vcvtph2ps(zmm16, __ymmword_ptr[rcx]);
            code.vcvtph2ps(zmm17, __ymmword_ptr[rcx + 32]);
        }
        else
        {
            code.vmovups(zmm16, __zmmword_ptr[rcx]);
            code.vmovups(zmm17, __zmmword_ptr[rcx + 64]);
        }

        for (int t = 0; t < rows; t++)
        {
            AssemblerMemoryOperand a = RowAddress.Broadcast(t, 0);
            code.vfmadd231ps(First(t), zmm16, a);
            code.vfmadd231ps(Second(t), zmm17, a);
        }

        code.add(rax, 4);
        code.add(rcx, r8);
        code.dec(r9);
        code.jnz(loop);
    }
}
