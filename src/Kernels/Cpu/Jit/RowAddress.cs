using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>Addresses of up to 8 rows from one pointer: RAX, with 1, 3, 5 and 7 strides in RDX, RSI, R10 and R11.</summary>
internal static class RowAddress
{
    /// <summary>The other multiples of RDX.</summary>
    public static void EmitStrides(Assembler code)
    {
        code.lea(rsi, __[rdx + rdx * 2]);
        code.lea(r10, __[rdx + rdx * 4]);
        code.lea(r11, __[rsi + rdx * 4]);
    }

    /// <summary>One float of a row, broadcast to all lanes.</summary>
    public static AssemblerMemoryOperand Broadcast(int row, int offset) => row switch
    {
        0 => __dword_bcst[rax + offset],
        1 => __dword_bcst[rax + rdx + offset],
        2 => __dword_bcst[rax + rdx * 2 + offset],
        3 => __dword_bcst[rax + rsi + offset],
        4 => __dword_bcst[rax + rdx * 4 + offset],
        5 => __dword_bcst[rax + r10 + offset],
        6 => __dword_bcst[rax + rsi * 2 + offset],
        _ => __dword_bcst[rax + r11 + offset],
    };
}
