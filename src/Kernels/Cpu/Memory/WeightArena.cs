namespace ServingGrid.Kernels.Cpu.Memory;

/// <summary>
/// Packs small matrices one after the other into chunks, so that huge pages are not wasted on their ends and a model's weights
/// stream through memory in the order in which they were loaded. A chunk is freed with the last of its matrices.
/// </summary>
/// <remarks>Thread-safe.</remarks>
internal sealed unsafe class WeightArena
{
    private const long ChunkBytes = 32 << 20;
    private readonly Lock _gate = new();
    private Chunk? _current;

    /// <summary>Zeroed memory, aligned to a cache line.</summary>
    public WeightMemory Allocate(long bytes)
    {
        long size = (bytes + 63) & ~63L;
        lock (_gate)
        {
            if (size > ChunkBytes / 4)
            {
                return new WeightMemory(new Chunk(size), 0);
            }

            if (_current is null || _current.Used + size > _current.Buffer.Length || !_current.TryAddUser())
            {
                _current = new Chunk(ChunkBytes);
            }

            long offset = _current.Used;
            _current.Used += size;
            return new WeightMemory(_current, offset);
        }
    }

    /// <summary>A buffer with a count of the matrices in it; born with one user.</summary>
    internal sealed class Chunk(long bytes)
    {
        private int _users = 1;

        public NativeBuffer Buffer { get; } = new(bytes);

        public long Used { get; set; }

        public bool TryAddUser()
        {
            int users = Volatile.Read(ref _users);
            while (users > 0)
            {
                int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
                if (seen == users)
                {
                    return true;
                }

                users = seen;
            }

            return false;
        }

        public void RemoveUser()
        {
            if (Interlocked.Decrement(ref _users) == 0)
            {
                Buffer.Dispose();
            }
        }
    }
}

/// <summary>One matrix's share of a <see cref="WeightArena"/> chunk.</summary>
internal sealed unsafe class WeightMemory(WeightArena.Chunk chunk, long offset) : IDisposable
{
    private WeightArena.Chunk? _chunk = chunk;

    public byte* Pointer { get; } = chunk.Buffer.Pointer + offset;

    public void Dispose() => Interlocked.Exchange(ref _chunk, null)?.RemoveUser();
}
