using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>Answers of <c>/v1/chat/completions</c>.</summary>
internal sealed class ChatFormat(AnswerHeader header, Tokenizer tokenizer) : AnswerFormat
{
    private const string Role = "assistant";

    public override void WriteStart(ServerSentEvents events, int index, TextUpdate first) =>
        Write(events, header.SystemFingerprint(first.Numerics), [new ChatChunkChoice(index, new ChatDelta(Role, ""))]);

    public override void WriteUpdate(ServerSentEvents events, int index, TextUpdate update, string? finish)
    {
        string fingerprint = header.SystemFingerprint(update.Numerics);
        ChatLogProbabilities? logProbabilities = LogProbabilityText.ForChat(update.Tokens, tokenizer);
        if (update.Text.Length > 0 || logProbabilities is not null)
        {
            Write(events, fingerprint, [new ChatChunkChoice(index, new ChatDelta(Content: update.Text)) { Logprobs = logProbabilities }]);
        }

        // Some clients drop the text of a chunk that has a finish reason: the end has a chunk of its own.
        if (finish is not null)
        {
            Write(events, fingerprint, [new ChatChunkChoice(index, new ChatDelta()) { FinishReason = finish }]);
        }
    }

    public override void WriteUsage(ServerSentEvents events, AnswerUsage usage) =>
        Write(events, header.SystemFingerprint(usage.Classes), [], usage.ToResponse());

    public override Task WriteWholeAsync(HttpResponse response, IReadOnlyList<FinishedAnswer> answers, AnswerUsage usage)
    {
        var whole = new ChatResponse(header.Id, header.Created, header.Model, header.SystemFingerprint(usage.Classes))
        {
            Choices = [.. answers.Select(Choice)],
            Usage = usage.ToResponse(),
        };
        return response.WriteJsonAsync(whole, GatewayJson.Default.ChatResponse);
    }

    private ChatChoice Choice(FinishedAnswer answer, int index) => new(index, new ChatAnswer(Role, answer.Text), answer.FinishReason)
    {
        Logprobs = LogProbabilityText.ForChat(answer.Tokens, tokenizer),
    };

    private void Write(ServerSentEvents events, string fingerprint, IReadOnlyList<ChatChunkChoice> choices, UsageResponse? usage = null)
    {
        var chunk = new ChatChunk(header.Id, header.Created, header.Model, fingerprint) { Choices = choices, Usage = usage };
        events.Write(chunk, GatewayJson.Default.ChatChunk);
    }
}
