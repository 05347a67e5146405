using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>Emits <see cref="Attention.BlockProduct"/> for AVX-512: up to 8 rows by two vectors, all sums in registers.</summary>
/// <remarks>
/// <code>
/// rax a   rdx, rsi, r10, r11: 1, 3, 5, 7 strides of a   rcx b   r8 stride of b   r9 steps left, then c   rdi arguments, in the loop: distance of what comes next
/// zmm0–7 first vector of each row   zmm8–15 second   zmm16, zmm17 b
/// </code>
/// </remarks>
internal static class BlockProductEmitter
{
    public static void Emit(Assembler code, int rows, bool half)
    {
        code.mov(rax, __qword_ptr[rdi]);
        code.mov(rdx, __qword_ptr[rdi + 48]);
        Label zero = code.CreateLabel();
        Label start = code.CreateLabel();
        code.cmp(__qword_ptr[rdi + 56], 0);
        code.je(zero);
        code.mov(r9, __qword_ptr[rdi + 40]);
        for (int t = 0; t < rows; t++)
        {
            code.vmovups(First(t), __zmmword_ptr[r9]);
            code.vmovups(Second(t), __zmmword_ptr[r9 + 64]);
            code.add(r9, rdx);
        }

        code.jmp(start);
        code.Label(ref zero);
        for (int t = 0; t < rows; t++)
        {
            code.vpxord(First(t), First(t), First(t));
            code.vpxord(Second(t), Second(t), Second(t));
        }

        code.Label(ref start);
        code.mov(rdx, __qword_ptr[rdi + 8]);
        code.lea(rsi, __[rdx + rdx * 2]);
        code.lea(r10, __[rdx + rdx * 4]);
        code.lea(r11, __[rsi + rdx * 4]);
        code.mov(rcx, __qword_ptr[rdi + 16]);
        code.mov(r8, __qword_ptr[rdi + 24]);
        code.mov(r9, __qword_ptr[rdi + 32]);
        code.push(rdi);
        code.mov(rdi, __qword_ptr[rdi + 64]);
        Steps(code, rows, half);
        code.pop(rdi);
        code.mov(r9, __qword_ptr[rdi + 40]);
        code.mov(rdx, __qword_ptr[rdi + 48]);
        for (int t = 0; t < rows; t++)
        {
            code.vmovups(__zmmword_ptr[r9], First(t));
            code.vmovups(__zmmword_ptr[r9 + 64], Second(t));
            code.add(r9, rdx);
        }

        code.vzeroupper();
        code.ret();
    }

    private static AssemblerRegisterZMM First(int row) => new(Register.ZMM0 + row);

    private static AssemblerRegisterZMM Second(int row) => new(Register.ZMM8 + row);

    private static void Steps(Assembler code, int rows, bool half)
    {
        Label loop = code.CreateLabel();
        code.Label(ref loop);
        if (half)
        {
            // One line for each step: as much of the next block as is read of this one, at the same pace.
            code.prefetcht0(__byte_ptr[rcx + rdi]);
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
