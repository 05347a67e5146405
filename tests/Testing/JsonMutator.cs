using System.Text;

namespace ServingGrid.Testing;

/// <summary>Makes broken request bodies out of valid ones: the same for the same seed.</summary>
public sealed class JsonMutator(int seed, string model = "scripted")
{
    private static readonly string[] Values =
    [
        "null", "true", "-1", "0", "1e999", "-1e-999", "1.5", "123456789012345678901234567890", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "[]", "{}",
        "[[]]", "[null]", "[{}]", "{\"a\":{\"a\":[]}}", "[1,\"a\",[2]]", "{\"type\":\"text\"}", "[{\"role\":\"user\",\"content\":[{}]}]",
    ];

    private const string Chat = """
        {"model":"MODEL","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"héy \n"}]}],
         "max_tokens":2,"stop":["a","b"],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],
         "logprobs":true,"top_logprobs":2,"response_format":{"type":"text"}}
        """;

    private const string Completion = """
        {"model":"MODEL","prompt":["a",[1,2]],"max_tokens":2,"temperature":0.5,"top_p":0.9,"n":2,"seed":7,"logit_bias":{"5":1.5},
         "stream":true,"stream_options":{"include_usage":true},"logprobs":1}
        """;

    private readonly Random _random = new(seed);

    /// <summary>Bodies made so far.</summary>
    public int Count { get; private set; }

    /// <summary>A path of the API and a body for it, most of the time not a valid one.</summary>
    public (string Path, byte[] Body) Next()
    {
        Count++;
        bool chat = _random.Next(2) == 0;
        string body = (chat ? Chat : Completion).Replace("MODEL", model);
        byte[] bytes = Encoding.UTF8.GetBytes(_random.Next(2) == 0 ? ReplaceValue(body) : body);
        for (int edits = _random.Next(4); edits > 0; edits--)
        {
            bytes = Edit(bytes);
        }

        return (chat ? "/v1/chat/completions" : "/v1/completions", bytes);
    }

    // Swaps the value after a random colon: well-formed more often than not, but of the wrong kind.
    private string ReplaceValue(string body)
    {
        int[] colons = [.. Enumerable.Range(0, body.Length).Where(i => body[i] == ':')];
        int start = colons[_random.Next(colons.Length)] + 1;
        int depth = 0;
        int end = start;
        for (; end < body.Length; end++)
        {
            depth += body[end] is '[' or '{' ? 1 : body[end] is ']' or '}' ? -1 : 0;
            if (depth < 0 || (depth == 0 && body[end] == ','))
            {
                break;
            }
        }

        return body[..start] + Values[_random.Next(Values.Length)] + body[end..];
    }

    private byte[] Edit(byte[] bytes)
    {
        if (bytes.Length == 0)
        {
            return bytes;
        }

        int at = _random.Next(bytes.Length);
        switch (_random.Next(5))
        {
            case 0: // flip a bit
                bytes[at] ^= (byte)(1 << _random.Next(8));
                return bytes;
            case 1: // truncate
                return bytes[..at];
            case 2: // remove a piece
                return [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + _random.Next(1, 9))..]];
            case 3: // repeat a piece
                return [.. bytes[..at], .. bytes[Math.Max(0, at - _random.Next(1, 40))..]];
            default: // insert structure
                return [.. bytes[..at], "[]{},:\"\\"u8[_random.Next(8)], .. bytes[at..]];
        }
    }
}
