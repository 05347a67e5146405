using Iced.Intel;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>The two vectors of up to 8 rows.</summary>
internal static class RowRegisters
{
    public static AssemblerRegisterZMM First(int row) => new(Register.ZMM0 + row);

    public static AssemblerRegisterZMM Second(int row) => new(Register.ZMM8 + row);
}
