using System.Runtime.CompilerServices;
using ServingGrid.Kernels.Cpu.Simd;

namespace ServingGrid.Kernels.Cpu.Matrices;

/// <summary>Reads a block of a panel into vectors: some rows (as many as L has lanes), all 32 columns.</summary>
internal static unsafe class PanelBlock<F, L, V>
    where F : IPanelFormat
    where L : ILanes<V>
    where V : unmanaged
{
    /// <summary>The unsigned weights u of groups 0–7, for rows <paramref name="lane"/> and following.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack(byte* block, int lane, out V w0, out V w1, out V w2, out V w3, out V w4, out V w5, out V w6, out V w7)
    {
        byte* low = block + 4 * lane;
        if (F.LowBits == 8)
        {
            (w0, w1, w2, w3) = (L.Load(low), L.Load(low + 64), L.Load(low + 128), L.Load(low + 192));
            (w4, w5, w6, w7) = (L.Load(low + 256), L.Load(low + 320), L.Load(low + 384), L.Load(low + 448));
            return;
        }

        V nibble = L.Broadcast(0x0f0f0f0fu);
        (V v0, V v1, V v2, V v3) = (L.Load(low), L.Load(low + 64), L.Load(low + 128), L.Load(low + 192));
        (w0, w1, w2, w3) = (L.And(v0, nibble), L.And(v1, nibble), L.And(v2, nibble), L.And(v3, nibble));
        w4 = L.And(L.ShiftRight(v0, 4), nibble);
        w5 = L.And(L.ShiftRight(v1, 4), nibble);
        w6 = L.And(L.ShiftRight(v2, 4), nibble);
        w7 = L.And(L.ShiftRight(v3, 4), nibble);
        byte* high = block + 256 + 4 * lane;
        if (F.HighBits == 1)
        {
            // Bit g of each byte of h goes to bit 4.
            V h = L.Load(high);
            V bit = L.Broadcast(0x10101010u);
            w0 = L.Or(w0, L.And(L.ShiftLeft(h, 4), bit));
            w1 = L.Or(w1, L.And(L.ShiftLeft(h, 3), bit));
            w2 = L.Or(w2, L.And(L.ShiftLeft(h, 2), bit));
            w3 = L.Or(w3, L.And(L.ShiftLeft(h, 1), bit));
            w4 = L.Or(w4, L.And(h, bit));
            w5 = L.Or(w5, L.And(L.ShiftRight(h, 1), bit));
            w6 = L.Or(w6, L.And(L.ShiftRight(h, 2), bit));
            w7 = L.Or(w7, L.And(L.ShiftRight(h, 3), bit));
        }
        else if (F.HighBits == 2)
        {
            V first = L.Load(high);
            V second = L.Load(high + 64);
            V bits = L.Broadcast(0x30303030u);
            w0 = L.Or(w0, L.And(L.ShiftLeft(first, 4), bits));
            w1 = L.Or(w1, L.And(L.ShiftLeft(first, 2), bits));
            w2 = L.Or(w2, L.And(first, bits));
            w3 = L.Or(w3, L.And(L.ShiftRight(first, 2), bits));
            w4 = L.Or(w4, L.And(L.ShiftLeft(second, 4), bits));
            w5 = L.Or(w5, L.And(L.ShiftLeft(second, 2), bits));
            w6 = L.Or(w6, L.And(second, bits));
            w7 = L.Or(w7, L.And(L.ShiftRight(second, 2), bits));
        }
    }

    /// <summary>Scales of the block (of its first half, where halves differ); <paramref name="d"/> from the header.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Scale(byte* scales, int lane, V d) =>
        F.HalfScales ? L.Multiply(d, L.LoadSignedBytes((sbyte*)scales + lane))
        : F.SuperBlocks ? L.Multiply(d, L.LoadBytes(scales + lane))
        : HalfFloats.Load<L, V>((ushort*)scales + lane);

    /// <summary>Minima of the block; <paramref name="dmin"/> from the header.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Min(byte* minima, int lane, V dmin) =>
        F.SuperBlocks ? L.Multiply(dmin, L.LoadBytes(minima + lane)) : HalfFloats.Load<L, V>((ushort*)minima + lane);
}
