using Iced.Intel;
using ServingGrid.Kernels.Cpu.Matrices;
using static Iced.Intel.AssemblerRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// Emits the product of quantised panels with a tile of activations for AVX-512-VNNI: the algorithm of
/// <see cref="QuantizedKernel{F,L,V}"/>, equal to the bit.
/// </summary>
/// <remarks>
/// <para>
/// <c>vpdpbusd</c> adds four products of unsigned and signed bytes to each 32-bit lane: the weights u of 16 rows from a register,
/// four activations of one row broadcast from memory. For each block: unpack 8 groups of weights; for each row of activations 8
/// <c>vpdpbusd</c> on an accumulator that starts at −offset · Σa; then to float, times the two scales, onto the sum.
/// </para>
/// <code>
/// rdi panel   rcx activations (start)   rax activations (current)   r8 output   r9 output stride   rdx panels left
/// rsi blocks (or super-blocks) of a row   r10 those left   r11 blocks left in the super-block   rbx distance of what is asked for   rbp whether to add
/// zmm0–7 accumulators   zmm8–15 sums   zmm16–23 weights   zmm24 scale   zmm25 0x0f bytes   zmm26 minimum or second scale
/// zmm27 temporary   zmm28 d   zmm29 −dmin   zmm30 mask of the high bits   zmm31 temporary
/// </code>
/// </remarks>
internal sealed class QuantizedEmitter(PanelLayout layout, Assembler code, int rows)
{
    // Few rows read the weights in one quick stream, which the hardware foresees: asking for them as well makes one row slower by 6 to 8 % (Zen 4), and so it is with
    // two to four rows of 8-bit weights. With 4-bit weights, of which a line takes longer, those are faster by 3 to 8 % if weights are asked for into the
    // second-level cache and further ahead.
    private const int MostRowsForeseen = 4;
    private const int FurtherAhead = 4096;
    private static readonly AssemblerRegisterZMM Scale = zmm24;
    private static readonly AssemblerRegisterZMM Nibble = zmm25;
    private static readonly AssemblerRegisterZMM Second = zmm26;
    private static readonly AssemblerRegisterZMM Temporary = zmm27;
    private static readonly AssemblerRegisterZMM SuperScale = zmm28;
    private static readonly AssemblerRegisterZMM SuperMin = zmm29;
    private static readonly AssemblerRegisterZMM HighMask = zmm30;
    private static readonly AssemblerRegisterZMM Other = zmm31;

    public static void Emit(PanelLayout layout, Assembler code, int rows) => new QuantizedEmitter(layout, code, rows).Emit();

    private static AssemblerRegisterZMM Accumulator(int row) => Register(row);

    private static AssemblerRegisterZMM Sum(int row) => Register(8 + row);

    private static AssemblerRegisterZMM Weights(int group) => Register(16 + group);

    private static AssemblerRegisterZMM Register(int number) => new(Iced.Intel.Register.ZMM0 + number);

    private void Emit()
    {
        code.push(rbx);
        code.push(rbp);
        LoadArguments();
        Label panel = code.CreateLabel();
        code.Label(ref panel);
        code.mov(rax, rcx);
        code.mov(r10, rsi);
        for (int t = 0; t < rows; t++)
        {
            code.vpxord(Sum(t), Sum(t), Sum(t));
        }

        Label loop = code.CreateLabel();
        code.Label(ref loop);
        if (layout.SuperBlocks)
        {
            Header();
            code.mov(r11d, PanelLayout.SuperBlock);
            Label inner = code.CreateLabel();
            code.Label(ref inner);
            Block();
            code.dec(r11d);
            code.jnz(inner);
        }
        else
        {
            Block();
        }

        code.dec(r10);
        code.jnz(loop);
        StoreSums();
        code.dec(rdx);
        code.jnz(panel);
        code.vzeroupper();
        code.pop(rbp);
        code.pop(rbx);
        code.ret();
    }

    private void LoadArguments()
    {
        code.mov(rdx, __qword_ptr[rdi + KernelArguments.CountOffset]);
        code.mov(rsi, __qword_ptr[rdi + KernelArguments.ColumnsOffset]);
        code.mov(rcx, __qword_ptr[rdi + KernelArguments.ActivationsOffset]);
        code.mov(r8, __qword_ptr[rdi + KernelArguments.OutputOffset]);
        code.mov(r9, __qword_ptr[rdi + KernelArguments.OutputStrideOffset]);
        code.mov(rbx, __qword_ptr[rdi + KernelArguments.AheadOffset]);
        code.mov(rbp, __qword_ptr[rdi + KernelArguments.AccumulateOffset]);
        code.mov(rdi, __qword_ptr[rdi + KernelArguments.PanelsOffset]);
        code.shr(rsi, layout.SuperBlocks ? (byte)8 : (byte)5);
        code.Broadcast(Nibble, 0x0f0f0f0f);
        code.Broadcast(HighMask, layout.HighBits == 1 ? 0x10101010 : 0x30303030);
    }

    private void StoreSums()
    {
        code.test(rbp, rbp);
        SumStore.Emit(code, rows, Sum);
    }

    private void Header()
    {
        code.vcvtph2ps(SuperScale, __ymmword_ptr[rdi]);
        if (layout.HasMin)
        {
            code.vcvtph2ps(SuperMin, __ymmword_ptr[rdi + 32]);
        }

        code.add(rdi, layout.HeaderBytes);
    }

    private void Block()
    {
        for (int line = 0; line < layout.BlockBytes; line += 64)
        {
            if (rows > MostRowsForeseen)
            {
                code.prefetcht0(__byte_ptr[rdi + rbx + line]);
            }
            else if (rows > 1 && layout.LowBits == 4)
            {
                code.prefetcht1(__byte_ptr[rdi + rbx + (line + FurtherAhead)]);
            }
        }

        Unpack();
        LoadScales();
        if (layout.HalfScales)
        {
            Half(0, Scale);
            Half(4, Second);
        }
        else
        {
            Start();
            Dot(0, 8);
            Accumulate(Scale);
        }

        code.add(rdi, layout.BlockBytes);
        code.add(rax, ActivationLayout.BlockBytes * rows);
    }

    private void Unpack()
    {
        if (layout.LowBits == 8)
        {
            for (int g = 0; g < 8; g++)
            {
                code.vmovdqu32(Weights(g), __zmmword_ptr[rdi + 64 * g]);
            }

            return;
        }

        for (int g = 0; g < 4; g++)
        {
            code.vmovdqu32(Weights(g), __zmmword_ptr[rdi + 64 * g]);
            code.vpsrld(Weights(g + 4), Weights(g), 4);
            code.vpandd(Weights(g), Weights(g), Nibble);
            code.vpandd(Weights(g + 4), Weights(g + 4), Nibble);
        }

        for (int g = 0; g < 8 && layout.HighBits > 0; g++)
        {
            // Brings group g's high bits to bit 4 of each byte, then ORs them in under the mask.
            int source = layout.HighBits == 1 ? 0 : g / 4 * 64;
            int left = layout.HighBits == 1 ? 4 - g : 4 - 2 * (g % 4);
            AssemblerMemoryOperand high = __zmmword_ptr[rdi + layout.HighOffset + source];
            if (left > 0)
            {
                code.vpslld(Temporary, high, (byte)left);
            }
            else if (left < 0)
            {
                code.vpsrld(Temporary, high, (byte)-left);
            }
            else
            {
                code.vmovdqu32(Temporary, high);
            }

            code.vpternlogd(Weights(g), Temporary, HighMask, 0xf8);
        }
    }

    private void LoadScales()
    {
        AssemblerMemoryOperand scales = rdi + layout.ScaleOffset;
        AssemblerMemoryOperand minima = rdi + layout.MinOffset;
        if (layout.HalfScales)
        {
            LoadBytes(Scale, scales, SuperScale, true);
            LoadBytes(Second, minima, SuperScale, true);
        }
        else if (layout.SuperBlocks)
        {
            LoadBytes(Scale, scales, SuperScale, false);
            LoadBytes(Second, minima, SuperMin, false);
        }
        else
        {
            code.vcvtph2ps(Scale, __ymmword_ptr[scales]);
            if (layout.HasMin)
            {
                code.vcvtph2ps(Second, __ymmword_ptr[minima]);
            }
        }
    }

    private void LoadBytes(AssemblerRegisterZMM register, AssemblerMemoryOperand source, AssemblerRegisterZMM factor, bool signed)
    {
        if (signed)
        {
            code.vpmovsxbd(register, __xmmword_ptr[source]);
        }
        else
        {
            code.vpmovzxbd(register, __xmmword_ptr[source]);
        }

        code.vcvtdq2ps(register, register);
        code.vmulps(register, factor, register);
    }

    private AssemblerMemoryOperand Field(int field, int row) => __dword_bcst[rax + field * rows + 4 * row];

    /// <summary>Accumulators to −offset · Σa, from −128 · Σa.</summary>
    private void Start()
    {
        for (int t = 0; t < rows; t++)
        {
            Start(Accumulator(t), ActivationLayout.NegatedSum, t);
        }
    }

    private void Start(AssemblerRegisterZMM register, int field, int row)
    {
        int shift = layout.Offset switch { 8 => 4, 16 => 3, 32 => 2, _ => 0 };
        if (layout.Offset == 0)
        {
            code.vpxord(register, register, register);
        }
        else if (shift == 0)
        {
            code.vpbroadcastd(register, __dword_ptr[rax + field * rows + 4 * row]);
        }
        else
        {
            code.vpsrad(register, Field(field, row), (byte)shift);
        }
    }

    /// <summary>Half a block with a scale of its own: the second half starts at the difference of both sums.</summary>
    private void Half(int firstGroup, AssemblerRegisterZMM scale)
    {
        for (int t = 0; t < rows; t++)
        {
            Start(Accumulator(t), ActivationLayout.NegatedHalfSum, t);
            if (firstGroup > 0)
            {
                Start(Temporary, ActivationLayout.NegatedSum, t);
                code.vpsubd(Accumulator(t), Temporary, Accumulator(t));
            }
        }

        Dot(firstGroup, 4);
        Accumulate(scale);
    }

    private void Dot(int firstGroup, int groups)
    {
        for (int g = firstGroup; g < firstGroup + groups; g++)
        {
            for (int t = 0; t < rows; t++)
            {
                code.vpdpbusd(Accumulator(t), Weights(g), __dword_bcst[rax + 32 * t + 4 * g]);
            }
        }
    }

    private void Accumulate(AssemblerRegisterZMM scale)
    {
        for (int t = 0; t < rows; t++)
        {
            AssemblerRegisterZMM product = t % 2 == 0 ? Temporary : Other;
            code.vcvtdq2ps(Accumulator(t), Accumulator(t));
            code.vmulps(product, scale, Field(ActivationLayout.Scale, t));
            code.vfmadd231ps(Sum(t), Accumulator(t), product);
            if (layout.HasMin)
            {
                code.vfmadd231ps(Sum(t), Second, Field(ActivationLayout.ScaledSum, t));
            }
        }
    }
}
