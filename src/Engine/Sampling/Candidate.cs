namespace ServingGrid.Engine.Sampling;

/// <summary>
/// A token and its logit, packed so that ascending order of the keys is the order of likelihood: logit descending, then id ascending. Sorting
/// 64-bit integers is fast and leaves no tie to chance.
/// </summary>
internal readonly record struct Candidate(ulong Key) : IComparable<Candidate>
{
    public Candidate(int token, float logit)
        : this(((ulong)~Ascending(logit) << 32) | (uint)token)
    {
    }

    public int Token => (int)(uint)Key;

    public float Logit
    {
        get
        {
            uint ascending = ~(uint)(Key >> 32);
            return BitConverter.UInt32BitsToSingle((ascending & 0x80000000) != 0 ? ascending ^ 0x80000000 : ~ascending);
        }
    }

    /// <inheritdoc/>
    public int CompareTo(Candidate other) => Key.CompareTo(other.Key);

    // Bits whose unsigned order is the order of the numbers; −0 counts as 0.
    private static uint Ascending(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
    }
}
