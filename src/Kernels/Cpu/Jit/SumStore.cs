using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>Emits the end of a panel: a tile's sums to the output.</summary>
internal static class SumStore
{
    /// <summary>R8 output, which advances by a panel; R9 its stride; RAX is overwritten. Adds to the output unless the zero flag is set.</summary>
    public static void Emit(Assembler code, int rows, Func<int, AssemblerRegisterZMM> sum)
    {
        Label store = code.CreateLabel();
        code.mov(rax, r8);
        code.jz(store);
        for (int t = 0; t < rows; t++)
        {
            code.vaddps(sum(t), sum(t), __zmmword_ptr[rax]);
            code.add(rax, r9);
        }

        code.mov(rax, r8);
        code.Label(ref store);
        for (int t = 0; t < rows; t++)
        {
            code.vmovups(__zmmword_ptr[rax], sum(t));
            code.add(rax, r9);
        }

        code.add(r8, 64);
    }
}
