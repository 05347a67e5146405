using Iced.Intel;
using ServingGrid.Kernels.Cpu.Attention;
using static Iced.Intel.AssemblerRegisters;
using static ServingGrid.Kernels.Cpu.Jit.RowRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// Emits <see cref="Softmax{L,V}"/> where every row sees all slots, two vectors of scores a row; equal to it to the bit.
/// </summary>
/// <remarks>
/// <code>
/// r9 scores in memory, or probabilities   rdx their stride   rsi states   r8 their stride   rbp rows left   rax, r10, k1, k2 temporary
/// zmm16, zmm17 powers   zmm18, zmm19 polynomials   zmm20–27 constants of 2^x   zmm28 headroom   zmm29 maximum   zmm30 sums
/// </code>
/// </remarks>
internal sealed class SoftmaxEmitter(Assembler code, int rows)
{
    private const byte GreaterThan = 0x0e;
    private const byte Unordered = 0x03;
    private static readonly AssemblerRegisterZMM Least = zmm20;
    private static readonly AssemblerRegisterZMM Headroom = zmm28;
    private static readonly AssemblerRegisterZMM Maximum = zmm29;
    private static readonly AssemblerRegisterZMM Sums = zmm30;

    /// <summary>Constants, which nothing below changes. Uses rax.</summary>
    public void Constants()
    {
        code.Broadcast(Headroom, AttentionGeometry.Headroom);
        code.Broadcast(Least, Simd.Exp2Constants.Least);
        for (int i = 0; i < Simd.Exp2Constants.Polynomial.Length; i++)
        {
            code.Broadcast(Coefficient(i), Simd.Exp2Constants.Polynomial[i]);
        }
    }

    /// <summary>Jumps to <paramref name="raise"/> if some row's maximum must be raised; changes the temporary registers alone.</summary>
    public void Check(Label raise)
    {
        code.mov(r10, rsi);
        code.kxorw(k2, k2, k2);
        Compare(r10, r8);
        code.kortestw(k2, k2);
        code.jnz(raise);
    }

    /// <summary>Sets a bit of k2 if some row's maximum must be raised.</summary>
    /// <param name="state">State of the first row; ends behind the last.</param>
    /// <param name="stride">From row to row.</param>
    public void Compare(AssemblerRegister64 state, AssemblerRegister64 stride)
    {
        for (int t = 0; t < rows; t++)
        {
            code.vmaxps(zmm18, First(t), Second(t));
            code.vaddps(zmm19, Headroom, __dword_bcst[state]);
            code.vcmpps(k1, zmm18, zmm19, GreaterThan);
            code.korw(k2, k2, k1);
            code.add(state, stride);
        }
    }

    /// <summary>
    /// Scores of rows that have seen nothing yet: each row's largest becomes its maximum, which changes nothing else; overwrites the scores. Jumps to
    /// <paramref name="stop"/> at a row that has no largest.
    /// </summary>
    /// <param name="state">State of the first row; ends behind the last.</param>
    /// <param name="stride">From row to row.</param>
    /// <param name="stop">Where to go.</param>
    public void Begin(AssemblerRegister64 state, AssemblerRegister64 stride, Label stop)
    {
        for (int t = 0; t < rows; t++)
        {
            code.vmaxps(First(t), First(t), Second(t));
            Largest(First(t));

            // Until now it was -∞; not above it are -∞ and what is not a number.
            var largest = new AssemblerRegisterXMM(Register.XMM0 + t);
            code.vucomiss(largest, __dword_ptr[state]);
            code.jbe(stop);
            code.vmovss(__dword_ptr[state], largest);
            code.add(state, stride);
        }
    }

    /// <summary>Jumps to <paramref name="stop"/> if a score in memory is not a number. Changes nothing but the temporary registers.</summary>
    /// <param name="stop">Where to go.</param>
    public void StopUnlessNumbers(Label stop)
    {
        Label row = code.CreateLabel();
        code.kxorw(k2, k2, k2);
        code.Label(ref row);
        code.vmovups(zmm18, __zmmword_ptr[r9]);
        code.vcmpps(k1, zmm18, __zmmword_ptr[r9 + 64], Unordered);
        code.korw(k2, k2, k1);
        code.add(r9, rdx);
        code.dec(rbp);
        code.jnz(row);
        code.kortestw(k2, k2);
        code.jnz(stop);
    }

    /// <summary>Raises the maximum of each row whose scores in memory exceed it by too much, and scales down what was summed relative to the old one. Uses zmm0.</summary>
    public void Raise()
    {
        Label row = code.CreateLabel();
        Label next = code.CreateLabel();
        Label scale = code.CreateLabel();
        code.Label(ref row);
        code.vmovups(Maximum, __zmmword_ptr[r9]);
        code.vmaxps(Maximum, Maximum, __zmmword_ptr[r9 + 64]);
        code.vbroadcastss(zmm17, __dword_ptr[rsi]);
        code.vaddps(zmm19, Headroom, zmm17);
        code.vcmpps(k1, Maximum, zmm19, GreaterThan);
        code.kortestw(k1, k1);
        code.jz(next);
        Largest(Maximum);
        Power(zmm17, zmm16, zmm18);
        code.vmovaps(zmm0, Maximum);
        code.vmovss(__dword_ptr[rsi], xmm0);
        code.mov(eax, AttentionGeometry.StateSums * sizeof(float));
        code.Label(ref scale);
        code.vmulps(zmm16, zmm18, __zmmword_ptr[rsi + rax]);
        code.vmovups(__zmmword_ptr[rsi + rax], zmm16);
        code.add(rax, 64);
        code.cmp(rax, r8);
        code.jb(scale);
        code.Label(ref next);
        code.add(r9, rdx);
        code.add(rsi, r8);
        code.dec(rbp);
        code.jnz(row);
    }

    /// <summary>Stores the probabilities and adds them to the sums. RSI and R9 end behind the last row.</summary>
    public void Probabilities()
    {
        for (int t = 0; t < rows; t++)
        {
            code.vbroadcastss(Maximum, __dword_ptr[rsi]);
            Power(First(t), zmm16, zmm18);
            Power(Second(t), zmm17, zmm19);
            code.vmovups(Sums, __zmmword_ptr[rsi + AttentionGeometry.StateSums * sizeof(float)]);
            code.vaddps(Sums, Sums, zmm18);
            code.vaddps(Sums, Sums, zmm19);
            code.vmovups(__zmmword_ptr[rsi + AttentionGeometry.StateSums * sizeof(float)], Sums);
            code.vmovups(__zmmword_ptr[r9], zmm18);
            code.vmovups(__zmmword_ptr[r9 + 64], zmm19);
            code.add(rsi, r8);
            code.add(r9, rdx);
        }
    }

    private static AssemblerRegisterZMM Coefficient(int index) => new(Register.ZMM21 + index);

    /// <summary>The largest number of a vector into all of its lanes. Uses zmm19.</summary>
    private void Largest(AssemblerRegisterZMM vector)
    {
        code.vshuff32x4(zmm19, vector, vector, 0x4e);
        code.vmaxps(vector, vector, zmm19);
        code.vshuff32x4(zmm19, vector, vector, 0xb1);
        code.vmaxps(vector, vector, zmm19);
        code.vpermilps(zmm19, vector, 0x4e);
        code.vmaxps(vector, vector, zmm19);
        code.vpermilps(zmm19, vector, 0xb1);
        code.vmaxps(vector, vector, zmm19);
    }

    /// <summary>result = 2^(score − maximum), as <see cref="Simd.VectorMath{L,V}.Exp2"/>.</summary>
    private void Power(AssemblerRegisterZMM score, AssemblerRegisterZMM power, AssemblerRegisterZMM result)
    {
        code.vsubps(score, score, Maximum);

        // In this order: of two of which one is not a number, the instruction takes the second.
        code.vmaxps(score, Least, score);
        code.vrndscaleps(power, score, 0);
        code.vsubps(score, score, power);
        code.vmovaps(result, Coefficient(0));
        for (int i = 1; i < Simd.Exp2Constants.Polynomial.Length; i++)
        {
            code.vfmadd213ps(result, score, Coefficient(i));
        }

        code.vscalefps(result, result, power);
    }
}
