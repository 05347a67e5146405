using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>The same number in every lane of a register. Uses eax.</summary>
internal static class VectorConstants
{
    public static void Broadcast(this Assembler code, AssemblerRegisterZMM register, int value)
    {
        code.mov(eax, value);
        code.vpbroadcastd(register, eax);
    }

    public static void Broadcast(this Assembler code, AssemblerRegisterZMM register, float value) => code.Broadcast(register, BitConverter.SingleToInt32Bits(value));
}
