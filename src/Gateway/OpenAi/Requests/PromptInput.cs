using System.Text.Json;
using ServingGrid.Client;
using ServingGrid.Gateway.Errors;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>One prompt of a completion as the request has it: a text or an array of token ids.</summary>
internal readonly record struct PromptPart(JsonElement Value, bool IsText);

/// <summary>A prompt as tokens, with the text that <c>echo</c> repeats.</summary>
internal sealed record EncodedPrompt(int[] Tokens, string Text);

/// <summary>The <c>prompt</c> of a completion in any of its four forms: string, strings, token ids, arrays of token ids.</summary>
internal sealed record PromptInput(IReadOnlyList<PromptPart> Parts)
{
    private const string Name = "prompt";
    private const string Forms = "a string, an array of strings, an array of token ids or an array of such arrays";
    private const int MaxPrompts = 128;

    public static PromptInput Read(JsonElement prompt)
    {
        PromptPart[] parts = prompt.ValueKind switch
        {
            JsonValueKind.String => [ReadPart(prompt)],
            JsonValueKind.Array when IsTokens(prompt) => [ReadPart(prompt)],
            JsonValueKind.Array when prompt.GetArrayLength() <= MaxPrompts => [.. prompt.EnumerateArray().Select(ReadPart)],
            JsonValueKind.Array => throw ApiException.Invalid($"'{Name}' may hold at most {MaxPrompts} prompts.", Name),
            _ => throw JsonValues.Wrong(Name, Forms),
        };
        return parts.Length > 0 ? new PromptInput(parts) : throw ApiException.Invalid($"'{Name}' is empty.", Name);
    }

    /// <summary>Tokens of each prompt. Special tokens written out in a text are recognised, since such prompts follow no template.</summary>
    /// <exception cref="ApiException">400: a prompt without tokens, or a token that the vocabulary does not have.</exception>
    public IReadOnlyList<EncodedPrompt> Encode(ModelText model, bool withText) => [.. Parts.Select(part => Encode(part, model, withText))];

    private static EncodedPrompt Encode(PromptPart part, ModelText model, bool withText)
    {
        Tokenizer tokenizer = model.Tokenizer;
        string? written = part.IsText ? new TextLength(model, Name).Text(part.Value, Name) : null;
        int[] tokens = written is null ? ReadTokens(part.Value, model.Card) : model.Encode(written, Name);
        if (tokens.Length == 0)
        {
            // An empty text stands for the start of a document, as with OpenAI.
            tokens = written is not null && (tokenizer.BosToken ?? tokenizer.EosToken) is { } start
                ? [start]
                : throw ApiException.Invalid($"'{Name}' is empty.", Name);
        }

        foreach (int token in tokens)
        {
            if (token < 0 || token >= tokenizer.VocabularySize)
            {
                throw ApiException.Invalid($"'{Name}' has token {token}, but the vocabulary ends at {tokenizer.VocabularySize - 1}.", Name);
            }
        }

        string text = written ?? (withText ? System.Text.Encoding.UTF8.GetString(tokenizer.Decode(tokens)) : "");
        return new EncodedPrompt(tokens, text);
    }

    private static bool IsTokens(JsonElement array) => array.GetArrayLength() > 0 && array[0].ValueKind == JsonValueKind.Number;

    private static PromptPart ReadPart(JsonElement part) => part.ValueKind switch
    {
        JsonValueKind.String => new PromptPart(part, IsText: true),
        JsonValueKind.Array => new PromptPart(part, IsText: false),
        _ => throw JsonValues.Wrong(Name, Forms),
    };

    // Its length is known without reading it: millions of tokens become no array.
    private static int[] ReadTokens(JsonElement array, ModelCard card) => array.GetArrayLength() < card.ContextLength
        ? [.. array.EnumerateArray().Select(ReadToken)]
        : throw ApiException.TooLong(array.GetArrayLength(), card, Name);

    private static int ReadToken(JsonElement token) => JsonValues.Long(token, Name) is >= 0 and <= int.MaxValue and var id
        ? (int)id
        : throw ApiException.Invalid($"'{Name}' has a token id out of range.", Name);
}
