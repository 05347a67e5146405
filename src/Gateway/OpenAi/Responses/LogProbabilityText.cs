using System.Text;
using ServingGrid.Client;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Gateway.OpenAi.Responses;

/// <summary>Tokens with their log-probabilities in the shapes of the two endpoints.</summary>
internal static class LogProbabilityText
{
    /// <summary>In chat's shape; null when none were asked for.</summary>
    public static ChatLogProbabilities? ForChat(IReadOnlyList<GeneratedToken> tokens, Tokenizer tokenizer) =>
        tokens.Any(token => token.LogProbability is not null)
            ? new ChatLogProbabilities([.. tokens.Select(token => ForChat(token, tokenizer))])
            : null;

    /// <param name="tokens">Tokens of an answer or a piece of it.</param>
    /// <param name="tokenizer">Of the model.</param>
    /// <param name="offset">Where their text begins in the answer, in UTF-16 units; moved past them.</param>
    public static CompletionLogProbabilities? ForCompletion(IReadOnlyList<GeneratedToken> tokens, Tokenizer tokenizer, ref int offset)
    {
        if (!tokens.Any(token => token.LogProbability is not null))
        {
            return null;
        }

        int count = tokens.Count;
        var (texts, values, tops, offsets) = (new string[count], new float[count], new Dictionary<string, float>[count], new int[count]);
        for (int i = 0; i < count; i++)
        {
            texts[i] = EscapedText(tokenizer, tokens[i].Token);
            values[i] = Finite(tokens[i].LogProbability ?? 0);
            tops[i] = [];
            foreach (TokenLogProbability top in tokens[i].Top ?? [])
            {
                tops[i].TryAdd(EscapedText(tokenizer, top.Token), Finite(top.LogProbability)); // two tokens may have one text: the likelier stays
            }

            offsets[i] = offset;
            offset += Text(tokenizer, tokens[i].Token).Length;
        }

        return new CompletionLogProbabilities(texts, values, tops, offsets);
    }

    private static ChatTokenLogProbability ForChat(GeneratedToken token, Tokenizer tokenizer) => new(
        Text(tokenizer, token.Token),
        Finite(token.LogProbability ?? 0),
        Bytes(tokenizer, token.Token),
        [.. (token.Top ?? []).Select(top => new TopLogProbability(Text(tokenizer, top.Token), Finite(top.LogProbability), Bytes(tokenizer, top.Token)))]);

    // JSON has no infinity; this is what OpenAI writes for a token that cannot be.
    private static float Finite(float logProbability) => Math.Max(logProbability, -9999f);

    private static string Text(Tokenizer tokenizer, int token) =>
        Encoding.UTF8.GetString(tokenizer.TokenBytes(token, special: true).Span);

    private static int[] Bytes(Tokenizer tokenizer, int token) => [.. tokenizer.TokenBytes(token, special: true).ToArray().Select(b => (int)b)];

    // Completions have no list of bytes: OpenAI writes a token that is no whole text as "bytes:\xe2\x82".
    private static string EscapedText(Tokenizer tokenizer, int token)
    {
        ReadOnlySpan<byte> bytes = tokenizer.TokenBytes(token, special: true).Span;
        return System.Text.Unicode.Utf8.IsValid(bytes)
            ? Encoding.UTF8.GetString(bytes)
            : "bytes:" + string.Concat(bytes.ToArray().Select(b => $"\\x{b:x2}"));
    }
}
