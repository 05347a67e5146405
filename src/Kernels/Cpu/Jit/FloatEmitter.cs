using Iced.Intel;
using ServingGrid.Kernels.Cpu.Matrices;
using ServingGrid.Model.Gguf;
using static Iced.Intel.AssemblerRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// Emits the product of F32, F16 or BF16 panels with rows of F32 activations for AVX-512: the algorithm of
/// <see cref="FloatKernel{E,L,V}"/>, equal to the bit. What C# lacks is the conversion of F16 in one instruction.
/// </summary>
/// <remarks>
/// <code>
/// rdi panel   rcx activations (start)   rax activations (current)   r8 output   r9 output stride   r12 arguments
/// rdx, rsi, r10, r11: 1, 3, 5, 7 strides of the activations   rbx panels left   rbp pairs of columns left   r13 distance of what is asked for
/// zmm0–7 sums of even columns   zmm8–15 of odd columns   zmm16, zmm17 weights
/// </code>
/// </remarks>
internal sealed class FloatEmitter(GgmlType type, Assembler code, int rows)
{
    private readonly int _columnBytes = PanelLayout.Rows * type.BlockBytes();

    public static void Emit(GgmlType type, Assembler code, int rows) => new FloatEmitter(type, code, rows).Emit();

    private static AssemblerRegisterZMM Register(int number) => new(Iced.Intel.Register.ZMM0 + number);

    private void Emit()
    {
        code.push(rbx);
        code.push(rbp);
        code.push(r12);
        code.push(r13);
        LoadArguments();
        Label panel = code.CreateLabel();
        Label loop = code.CreateLabel();
        Label tail = code.CreateLabel();
        Label done = code.CreateLabel();
        code.Label(ref panel);
        code.mov(rax, rcx);
        for (int i = 0; i < 16; i++)
        {
            code.vpxord(Register(i), Register(i), Register(i));
        }

        code.mov(rbp, __qword_ptr[r12 + KernelArguments.ColumnsOffset]);
        code.shr(rbp, 1);
        code.jz(tail);
        code.Label(ref loop);
        for (int line = 0; line < 2 * _columnBytes; line += 64)
        {
            code.prefetcht0(__byte_ptr[rdi + r13 + line]);
        }

        Column(0);
        Column(1);
        code.add(rdi, 2 * _columnBytes);
        code.add(rax, 8);
        code.dec(rbp);
        code.jnz(loop);

        code.Label(ref tail);
        code.test(__byte_ptr[r12 + KernelArguments.ColumnsOffset], 1);
        code.jz(done);
        Column(0);
        code.add(rdi, _columnBytes);
        code.Label(ref done);
        StoreSums();
        code.dec(rbx);
        code.jnz(panel);
        code.vzeroupper();
        code.pop(r13);
        code.pop(r12);
        code.pop(rbp);
        code.pop(rbx);
        code.ret();
    }

    private void LoadArguments()
    {
        code.mov(r12, rdi);
        code.mov(rdi, __qword_ptr[r12 + KernelArguments.PanelsOffset]);
        code.mov(r13, __qword_ptr[r12 + KernelArguments.AheadOffset]);
        code.mov(rbx, __qword_ptr[r12 + KernelArguments.CountOffset]);
        code.mov(rcx, __qword_ptr[r12 + KernelArguments.ActivationsOffset]);
        code.mov(rdx, __qword_ptr[r12 + KernelArguments.StrideOffset]);
        code.mov(r8, __qword_ptr[r12 + KernelArguments.OutputOffset]);
        code.mov(r9, __qword_ptr[r12 + KernelArguments.OutputStrideOffset]);
        code.lea(rsi, __[rdx + rdx * 2]);
        code.lea(r10, __[rdx + rdx * 4]);
        code.lea(r11, __[rsi + rdx * 4]);
    }

    /// <summary>The even (0) or the odd (1) column of a pair: widen 16 weights, multiply with each row's activation.</summary>
    private void Column(int odd)
    {
        AssemblerRegisterZMM weights = Register(16 + odd);
        int offset = odd * _columnBytes;
        switch (type)
        {
            case GgmlType.F16:
                code.vcvtph2ps(weights, __ymmword_ptr[rdi + offset]);
                break;
            case GgmlType.BF16:
                code.vpmovzxwd(weights, __ymmword_ptr[rdi + offset]);
                code.vpslld(weights, weights, 16);
                break;
            default:
                code.vmovups(weights, __zmmword_ptr[rdi + offset]);
                break;
        }

        for (int t = 0; t < rows; t++)
        {
            code.vfmadd231ps(Register(8 * odd + t), weights, RowAddress.Broadcast(t, 4 * odd));
        }
    }

    private void StoreSums()
    {
        for (int t = 0; t < rows; t++)
        {
            code.vaddps(Register(t), Register(t), Register(8 + t));
        }

        code.cmp(__qword_ptr[r12 + KernelArguments.AccumulateOffset], 0);
        SumStore.Emit(code, rows, Register);
    }
}
