using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Iced.Intel;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Kernels.Cpu.Jit;
using static Iced.Intel.AssemblerRegisters;

namespace ServingGrid.Benchmarks.Kernels;

/// <summary>What the processor can do at most, measured on all threads at once: the yardstick for kernels in the same run.</summary>
/// <param name="Int8">Multiply-adds of bytes (VNNI), 10⁹ operations per second (two for each multiply-add); 0 without VNNI.</param>
/// <param name="Float">F32 multiply-adds, 10⁹ operations per second.</param>
/// <param name="Read">Read bandwidth from memory, 10⁹ bytes per second.</param>
internal sealed record ProcessorPeaks(double Int8, double Float, double Read)
{
    private const int Iterations = 3_000_000;
    private const int Chains = 16;

    public static ProcessorPeaks Measure(int threads) => new(
        CpuFeatures.CanGenerate && CpuFeatures.Avx512Vnni ? Registers(threads, 64 * 2, (code, chain) => code.vpdpbusd(chain, zmm30, zmm31)) : 0,
        CpuFeatures.CanGenerate ? Registers(threads, 16 * 2, (code, chain) => code.vfmadd231ps(chain, zmm30, zmm31)) : 0,
        Memory(threads));

    /// <summary>Independent chains of one instruction, on registers alone.</summary>
    private static unsafe double Registers(int threads, int operations, Action<Assembler, AssemblerRegisterZMM> instruction)
    {
        var code = new Assembler(64);
        for (int i = 0; i < 32; i++)
        {
            code.vpxord(new AssemblerRegisterZMM(Register.ZMM0 + i), zmm0, zmm0);
        }

        Label loop = code.CreateLabel();
        code.Label(ref loop);
        for (int i = 0; i < Chains; i++)
        {
            instruction(code, new AssemblerRegisterZMM(Register.ZMM0 + i));
        }

        code.dec(rdi);
        code.jnz(loop);
        code.vzeroupper();
        code.ret();
        using CodeMemory memory = CodeMemory.Create(code);
        nint entry = memory.Entry;
        double seconds = OnAll(threads, _ => ((delegate* unmanaged<nint, void>)entry)(Iterations));
        return (double)threads * Iterations * Chains * operations / seconds / 1e9;
    }

    private static unsafe double Memory(int threads)
    {
        const long Bytes = 256 << 20;
        const int Passes = 4;
        long share = Bytes / threads & ~511L;
        byte* data = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        new Span<byte>(data, (int)Bytes).Fill(1);
        double seconds = OnAll(threads, thread =>
        {
            for (int pass = 0; pass < Passes; pass++)
            {
                Vector512<long> sum = Vector512<long>.Zero;
                byte* p = data + thread * share;
                for (byte* end = p + share; p < end; p += 256)
                {
                    sum += Vector512.Load((long*)p) + Vector512.Load((long*)p + 8) + Vector512.Load((long*)p + 16) + Vector512.Load((long*)p + 24);
                }

                GC.KeepAlive(Vector512.Sum(sum));
            }
        });
        NativeMemory.AlignedFree(data);
        return (double)Passes * share * threads / seconds / 1e9;
    }

    private static double OnAll(int threads, Action<int> work)
    {
        double best = double.MaxValue;
        for (int attempt = 0; attempt < 2; attempt++)
        {
            long start = Stopwatch.GetTimestamp();
            Thread[] all = [.. Enumerable.Range(0, threads).Select(i => new Thread(() => work(i)))];
            Array.ForEach(all, thread => thread.Start());
            Array.ForEach(all, thread => thread.Join());
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }
}
