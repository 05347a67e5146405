namespace ServingGrid.Model.Gguf;

/// <summary>
/// The header of a GGUF file (v2 or v3, little-endian): metadata and the list of tensors. Parsed from a mapped file as
/// well as from header bytes that came over the network. Format: ggml, docs/gguf.md.
/// </summary>
/// <remarks>
/// Safe on hostile input: time and memory are linear in the bytes that are there, whatever the counts and lengths claim.
/// </remarks>
public sealed class GgufHeader
{
    /// <summary>Longest header that is read: an order of magnitude more than those of the largest vocabularies.</summary>
    public const int MaximumBytes = 256 << 20;

    private const int MaximumPairs = 1 << 16;
    private const int MaximumTensors = 1 << 18;
    private const int MaximumKeyBytes = 65_535;
    private const int MaximumTensorNameBytes = 64;
    private const int MaximumDimensions = 4;
    private const long DefaultAlignment = 32;
    private const long MaximumAlignment = 1 << 20;

    private GgufHeader(byte[] bytes, uint version, GgufMetadata metadata, IReadOnlyList<GgufTensorInfo> tensors, long alignment)
    {
        Bytes = bytes;
        Version = (int)version;
        Metadata = metadata;
        Tensors = tensors;
        Alignment = alignment;
        DataOffset = (bytes.Length + alignment - 1) / alignment * alignment;
    }

    /// <summary>The header as it stands in the file, from the magic to the last tensor's entry: enough to parse it again.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    public int Version { get; }

    public GgufMetadata Metadata { get; }

    /// <summary>In file order, names unique.</summary>
    public IReadOnlyList<GgufTensorInfo> Tensors { get; }

    /// <summary>A power of two that divides every tensor's offset.</summary>
    public long Alignment { get; }

    /// <summary>Where the data section begins in the file.</summary>
    public long DataOffset { get; }

    /// <summary>Parses the header at the start of <paramref name="bytes"/>; what follows it is ignored.</summary>
    /// <param name="bytes">A whole file, or at least its header. Copied as far as the header goes.</param>
    /// <param name="source">Names the file in messages.</param>
    /// <exception cref="GgufException">The header is truncated, corrupt or unsupported.</exception>
    public static GgufHeader Parse(ReadOnlySpan<byte> bytes, string source)
    {
        var cursor = new GgufCursor(bytes[..Math.Min(bytes.Length, MaximumBytes)], source);
        uint version = ReadVersion(ref cursor);
        cursor.Item = "the header";
        // A tensor's entry takes at least 33 bytes, a pair at least 14.
        int tensorCount = cursor.Count("tensors", 33, MaximumTensors);
        int pairCount = cursor.Count("metadata pairs", 14, MaximumPairs);
        Dictionary<string, GgufMetadata.Entry> entries = ReadPairs(ref cursor, pairCount);
        List<GgufTensorInfo> tensors = ReadTensors(ref cursor, tensorCount);
        byte[] header = bytes[..cursor.Position].ToArray();
        var metadata = new GgufMetadata(header, source, entries);
        long alignment = ReadAlignment(metadata);
        GgufTensorInfo? misaligned = tensors.Find(tensor => tensor.Offset % alignment != 0);
        return misaligned is null
            ? new GgufHeader(header, version, metadata, tensors, alignment)
            : throw new GgufException(source, $"tensor '{misaligned.Name}': its data offset {misaligned.Offset} is not a multiple of the alignment {alignment}");
    }

    private static uint ReadVersion(ref GgufCursor cursor)
    {
        if (!cursor.Take(4).SequenceEqual("GGUF"u8))
        {
            throw cursor.Error("this is not a GGUF file");
        }

        uint version = cursor.UInt32();
        return version switch
        {
            2 or 3 => version,
            0x0200_0000 or 0x0300_0000 => throw cursor.Error("big-endian GGUF is not supported"),
            _ => throw cursor.Error($"GGUF version {version} is not supported (2 and 3 are)"),
        };
    }

    private static Dictionary<string, GgufMetadata.Entry> ReadPairs(ref GgufCursor cursor, int count)
    {
        var entries = new Dictionary<string, GgufMetadata.Entry>();
        for (int i = 0; i < count; i++)
        {
            cursor.Item = $"metadata pair {i}";
            string key = cursor.Name("the key", MaximumKeyBytes);
            cursor.Item = $"key '{key}'";
            if (!entries.TryAdd(key, ReadValue(ref cursor)))
            {
                throw cursor.Error("the key stands in the file twice");
            }
        }

        return entries;
    }

    private static GgufMetadata.Entry ReadValue(ref GgufCursor cursor)
    {
        GgufValueType type = ReadValueType(ref cursor);
        bool isArray = type == GgufValueType.Array;
        int count = 1;
        if (isArray)
        {
            type = ReadValueType(ref cursor);
            if (type == GgufValueType.Array)
            {
                throw cursor.Error("arrays of arrays are not supported");
            }

            count = cursor.Count("elements", type.MinimumBytes(), int.MaxValue);
        }

        int offset = cursor.Position;
        if (type != GgufValueType.String)
        {
            cursor.Take((long)count * type.MinimumBytes());
        }

        for (int i = 0; type == GgufValueType.String && i < count; i++)
        {
            cursor.SkipString();
        }

        return new GgufMetadata.Entry(type, isArray, count, offset, cursor.Position - offset);
    }

    private static GgufValueType ReadValueType(ref GgufCursor cursor)
    {
        uint number = cursor.UInt32();
        return number <= (uint)GgufValueType.Float64 ? (GgufValueType)number : throw cursor.Error($"{number} is not a type of metadata");
    }

    private static long ReadAlignment(GgufMetadata metadata)
    {
        const string Key = "general.alignment";
        long alignment = metadata.GetInteger(Key) ?? DefaultAlignment;
        return alignment is > 0 and <= MaximumAlignment && long.IsPow2(alignment)
            ? alignment
            : throw metadata.Error(Key, $"{alignment} is not a power of two up to {MaximumAlignment}");
    }

    private static List<GgufTensorInfo> ReadTensors(ref GgufCursor cursor, int count)
    {
        var tensors = new List<GgufTensorInfo>();
        var names = new HashSet<string>();
        for (int i = 0; i < count; i++)
        {
            cursor.Item = $"entry of tensor {i}";
            string name = cursor.Name("the name", MaximumTensorNameBytes);
            cursor.Item = $"entry of tensor '{name}'";
            if (!names.Add(name))
            {
                throw cursor.Error("the name stands in the file twice");
            }

            long[] dimensions = ReadDimensions(ref cursor);
            GgmlType type = ReadTensorType(ref cursor);
            if (dimensions[0] % type.BlockElements() != 0)
            {
                throw cursor.Error($"rows of {dimensions[0]} elements are not whole {type} blocks of {type.BlockElements()}");
            }

            ulong offset = cursor.UInt64();
            tensors.Add(offset <= long.MaxValue
                ? new GgufTensorInfo(name, type, dimensions, (long)offset)
                : throw cursor.Error($"the data offset {offset} exceeds 63 bits"));
        }

        return tensors;
    }

    private static long[] ReadDimensions(ref GgufCursor cursor)
    {
        uint count = cursor.UInt32();
        if (count is 0 or > MaximumDimensions)
        {
            throw cursor.Error($"{count} dimensions are not 1 to {MaximumDimensions}");
        }

        var dimensions = new long[count];
        // No element type has more than 4 bytes: a product up to this cannot overflow when it becomes bytes.
        ulong limit = long.MaxValue / 4;
        for (int i = 0; i < dimensions.Length; i++)
        {
            ulong dimension = cursor.UInt64();
            if (dimension == 0 || dimension > limit)
            {
                throw cursor.Error(dimension == 0 ? $"dimension {i} is zero" : $"dimension {i}, {dimension}, makes the tensor larger than any file");
            }

            dimensions[i] = (long)dimension;
            limit /= dimension;
        }

        return dimensions;
    }

    private static GgmlType ReadTensorType(ref GgufCursor cursor)
    {
        uint number = cursor.UInt32();
        var type = (GgmlType)number;
        return number <= int.MaxValue && type.IsSupported()
            ? type
            : throw cursor.Error($"tensor type {number} is not supported (supported: {string.Join(", ", Enum.GetNames<GgmlType>())})");
    }
}
