using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace ServingGrid.Benchmarks.Http;

/// <summary>
/// Reads a stream of server-sent events and notes when text arrived. Parses next to nothing, because the client runs on
/// the cores that it measures.
/// </summary>
internal sealed class ChunkReader
{
    private readonly List<long> _arrivals = [];
    private byte[] _buffer = new byte[16 << 10];
    private int _filled;

    /// <summary>Arrival of each chunk that has a choice which goes on.</summary>
    public IReadOnlyList<long> Arrivals => _arrivals;

    /// <summary>The answer's usage, once the stream has ended.</summary>
    public JsonElement? Usage { get; private set; }

    public async Task ReadToEndAsync(Stream stream)
    {
        while (true)
        {
            if (_filled == _buffer.Length)
            {
                Array.Resize(ref _buffer, _buffer.Length * 2);
            }

            int count = await stream.ReadAsync(_buffer.AsMemory(_filled));
            if (count == 0)
            {
                return;
            }

            _filled += count;
            TakeEvents(Stopwatch.GetTimestamp());
        }
    }

    private void TakeEvents(long now)
    {
        ReadOnlySpan<byte> rest = _buffer.AsSpan(0, _filled);
        int end;
        while ((end = rest.IndexOf("\n\n"u8)) >= 0)
        {
            Take(rest[..end], now);
            rest = rest[(end + 2)..];
        }

        rest.CopyTo(_buffer);
        _filled = rest.Length;
    }

    private void Take(ReadOnlySpan<byte> line, long now)
    {
        ReadOnlySpan<byte> data = "data: "u8;
        if (!line.StartsWith(data))
        {
            return;
        }

        // The last chunk of a choice says why it ended; some servers put the usage there.
        if (line.IndexOf("\"finish_reason\":null"u8) >= 0)
        {
            _arrivals.Add(now);
        }
        else if (line.IndexOf("\"usage\":{"u8) >= 0)
        {
            using JsonDocument chunk = JsonDocument.Parse(line[data.Length..].ToArray());
            Usage = chunk.RootElement.GetProperty("usage").Clone();
        }
        else if (line.IndexOf("\"error\":"u8) >= 0)
        {
            throw new ServerException($"A stream broke off: {Encoding.UTF8.GetString(line)}");
        }
    }
}
