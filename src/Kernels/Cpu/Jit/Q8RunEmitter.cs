using Iced.Intel;
using ServingGrid.Kernels.Cpu.Attention;
using static Iced.Intel.AssemblerRegisters;
using static ServingGrid.Kernels.Cpu.Jit.RowRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// <see cref="BlockRunEmitter"/> for Q8 caches, with AVX-512-VNNI: sums of integers, exact in any order, and then the roundings of <see cref="Q8Block{L,V}"/>.
/// </summary>
/// <remarks>
/// Four dimensions of a key are one lane of <c>vpdpbusd</c>, two slots of a dimension one of <c>vpdpwssd</c>. The probabilities of a row take half of their room when they
/// have become integers; their scale is behind them.
/// </remarks>
internal sealed class Q8RunEmitter(Assembler code, int rows) : BlockRunEmitter(code, rows)
{
    private const int KeyBytes = BlockProduct.Columns * KvLayout.KeysTogether;
    private const int ScaleOfWeights = BlockProduct.Columns * sizeof(short);
    private const int Pairs = BlockProduct.Columns / KvLayout.ValuesTogether;

    // Half a page, and less: what is read ahead has its translation in time.
    protected override bool FillsPages => false;

    protected override void Keys()
    {
        Code.mov(rdx, __qword_ptr[rdi + RowStride]);
        RowAddress.EmitStrides(Code);
        Code.mov(r9, __qword_ptr[rdi + HeadSize]);
        Code.lea(rax, __[r14 + r9]);
        Code.vpxord(zmm18, zmm18, zmm18);
        for (int t = 0; t < Rows; t++)
        {
            // The negated sum, behind the scale: keys are 128 too large.
            Code.vpaddd(First(t), zmm18, RowAddress.Broadcast(t, sizeof(float)));
            Code.vmovdqa32(Second(t), First(t));
        }

        Code.mov(rax, r14);
        Code.shr(r9, (byte)int.Log2(Unrolled * KvLayout.KeysTogether));
        Label loop = Code.CreateLabel();
        Code.Label(ref loop);
        for (int i = 0; i < Unrolled; i++)
        {
            Prefetch(KeyBytes / LineBytes, i * KeyBytes);
            Code.vmovdqu32(zmm16, __zmmword_ptr[rcx + (i * KeyBytes)]);
            Code.vmovdqu32(zmm17, __zmmword_ptr[rcx + (i * KeyBytes) + LineBytes]);
            for (int t = 0; t < Rows; t++)
            {
                AssemblerMemoryOperand query = RowAddress.Broadcast(t, i * KvLayout.KeysTogether);
                Code.vpdpbusd(First(t), zmm16, query);
                Code.vpdpbusd(Second(t), zmm17, query);
            }
        }

        Code.add(rax, Unrolled * KvLayout.KeysTogether);
        Code.add(rcx, Unrolled * KeyBytes);
        Code.dec(r9);
        Code.jnz(loop);

        // Behind the keys their scales, behind the query its own.
        Prefetch(2, 0);
        Code.vmovups(zmm16, __zmmword_ptr[rcx]);
        Code.vmovups(zmm17, __zmmword_ptr[rcx + LineBytes]);
        for (int t = 0; t < Rows; t++)
        {
            Scale(First(t), zmm16, t);
            Scale(Second(t), zmm17, t);
        }
    }

    protected override void BeginValues()
    {
        Code.mov(rdx, __qword_ptr[rdi + HeadSize]);
        Code.shl(rdx, (byte)int.Log2(BlockProduct.Columns));
        Code.add(rcx, rdx);
        Prefetch(2, 0);
        Code.vmovups(zmm16, __zmmword_ptr[rcx]);
        Code.vmovups(zmm17, __zmmword_ptr[rcx + LineBytes]);
        Code.sub(rcx, rdx);
        Code.Broadcast(zmm0, Q8Numbers.LeastProbability);
        Code.Broadcast(zmm1, Q8Numbers.MaxProbability);
        Code.Broadcast(zmm2, Q8Numbers.ProbabilityUnit);
        for (int t = 0; t < Rows; t++)
        {
            Weights(t * ScoreStride);
        }
    }

    protected override void Values(int stripes)
    {
        int vectors = 2 * stripes;
        for (int i = 0; i < Rows * vectors; i++)
        {
            var sum = new AssemblerRegisterZMM(Register.ZMM0 + i);
            Code.vpxord(sum, sum, sum);
        }

        Code.mov(rax, r14);
        Code.mov(rcx, r10);
        Code.mov(r9d, Pairs / Unrolled);
        Label loop = Code.CreateLabel();
        Code.Label(ref loop);
        for (int i = 0; i < Unrolled; i++)
        {
            Prefetch(stripes, 0);
            for (int j = 0; j < vectors; j++)
            {
                Code.vpmovsxbw(Wide(j), __ymmword_ptr[rcx + (j * LineBytes / 2)]);
            }

            Code.add(rcx, r8);
            for (int t = 0; t < Rows; t++)
            {
                for (int j = 0; j < vectors; j++)
                {
                    Code.vpdpwssd(Sum(t, j, vectors), Wide(j), __dword_bcst[rax + (t * ScoreStride) + (i * sizeof(int))]);
                }
            }
        }

        Code.add(rax, Unrolled * sizeof(int));
        Code.dec(r9);
        Code.jnz(loop);
        Sums(vectors, (row, vector, address) =>
        {
            AssemblerRegisterZMM sum = Sum(row, vector, vectors);
            Code.vcvtdq2ps(sum, sum);
            Code.vmovups(zmm16, address);
            Code.vfmadd231ps(zmm16, sum, __dword_bcst[r14 + (row * ScoreStride) + ScaleOfWeights]);
            Code.vmovups(address, zmm16);
        });
    }

    /// <summary>A sum of products as a score.</summary>
    private void Scale(AssemblerRegisterZMM sum, AssemblerRegisterZMM ofKeys, int row)
    {
        Code.vcvtdq2ps(sum, sum);
        Code.vmulps(sum, sum, ofKeys);
        Code.vmulps(sum, sum, RowAddress.Broadcast(row, 0));
    }

    /// <summary>The probabilities of a row become integers, as in <see cref="Q8Numbers{L,V}.ToShorts"/>.</summary>
    private void Weights(int row)
    {
        Code.vmulps(zmm18, zmm16, __zmmword_ptr[r14 + row]);
        Code.vmulps(zmm19, zmm17, __zmmword_ptr[r14 + row + LineBytes]);
        Code.vpmaxud(zmm3, zmm18, zmm19);
        Code.vshufi32x4(zmm4, zmm3, zmm3, 0x4e);
        Code.vpmaxud(zmm3, zmm3, zmm4);
        Code.vshufi32x4(zmm4, zmm3, zmm3, 0xb1);
        Code.vpmaxud(zmm3, zmm3, zmm4);
        Code.vpshufd(zmm4, zmm3, 0x4e);
        Code.vpmaxud(zmm3, zmm3, zmm4);
        Code.vpshufd(zmm4, zmm3, 0xb1);
        Code.vpmaxud(zmm3, zmm3, zmm4);
        Code.vpmaxud(zmm3, zmm3, zmm0);
        Code.vdivss(xmm4, xmm1, xmm3);
        Code.vmulss(xmm3, xmm3, xmm2);
        Code.vbroadcastss(zmm4, xmm4);
        Code.vmulps(zmm18, zmm18, zmm4);
        Code.vmulps(zmm19, zmm19, zmm4);
        Code.vcvtps2dq(zmm18, zmm18);
        Code.vcvtps2dq(zmm19, zmm19);
        Code.vpmovdw(__ymmword_ptr[r14 + row], zmm18);
        Code.vpmovdw(__ymmword_ptr[r14 + row + (ScaleOfWeights / 2)], zmm19);
        Code.vmovss(__dword_ptr[r14 + row + ScaleOfWeights], xmm3);
    }
}
