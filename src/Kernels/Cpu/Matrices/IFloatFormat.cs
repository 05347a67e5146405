using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>A type of unquantised weights.</summary>
internal unsafe interface IFloatFormat
{
    /// <summary>Bytes of an element.</summary>
    static abstract int Bytes { get; }

    /// <summary>As many elements as L has lanes, widened to F32.</summary>
    static abstract V Load<L, V>(byte* source)
        where L : ILanes<V>
        where V : unmanaged;
}

/// <summary>F32 weights.</summary>
internal readonly unsafe struct SingleFormat : IFloatFormat
{
    public static int Bytes => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<L, V>(byte* source)
        where L : ILanes<V>
        where V : unmanaged
        => L.Load(source);
}

/// <summary>F16 weights.</summary>
internal readonly unsafe struct HalfFormat : IFloatFormat
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<L, V>(byte* source)
        where L : ILanes<V>
        where V : unmanaged
        => HalfFloats.Load<L, V>((ushort*)source);
}

/// <summary>BF16 weights: the upper half of an F32.</summary>
internal readonly unsafe struct BFloatFormat : IFloatFormat
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<L, V>(byte* source)
        where L : ILanes<V>
        where V : unmanaged
        => L.ShiftLeft(L.LoadUShorts((ushort*)source), 16);
}
