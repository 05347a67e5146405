using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Responses;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>Answers of <c>/v1/completions</c>.</summary>
/// <param name="header">What all chunks share.</param>
/// <param name="tokenizer">For the texts of log-probabilities.</param>
/// <param name="echoes">For each answer the text that it repeats first ("" for none).</param>
internal sealed class CompletionFormat(AnswerHeader header, Tokenizer tokenizer, IReadOnlyList<string> echoes) : AnswerFormat
{
    private readonly int[] _offsets = new int[echoes.Count];

    public override void WriteStart(ServerSentEvents events, int index, TextUpdate first)
    {
        if (echoes[index].Length > 0)
        {
            Write(events, header.SystemFingerprint(first.Numerics), [new CompletionChoice(index, echoes[index])]);
        }
    }

    public override void WriteUpdate(ServerSentEvents events, int index, TextUpdate update, string? finish) =>
        Write(events, header.SystemFingerprint(update.Numerics), [new CompletionChoice(index, update.Text)
        {
            FinishReason = finish,
            Logprobs = LogProbabilityText.ForCompletion(update.Tokens, tokenizer, ref _offsets[index]),
        }]);

    public override void WriteUsage(ServerSentEvents events, AnswerUsage usage) =>
        Write(events, header.SystemFingerprint(usage.Classes), [], usage.ToResponse());

    public override Task WriteWholeAsync(HttpResponse response, IReadOnlyList<FinishedAnswer> answers, AnswerUsage usage) =>
        response.WriteJsonAsync(
            Create(header.SystemFingerprint(usage.Classes), [.. answers.Select(Choice)], usage.ToResponse()),
            GatewayJson.Default.CompletionResponse);

    private CompletionChoice Choice(FinishedAnswer answer, int index) => new(index, echoes[index] + answer.Text)
    {
        FinishReason = answer.FinishReason,
        Logprobs = LogProbabilityText.ForCompletion(answer.Tokens, tokenizer, ref _offsets[index]),
    };

    private void Write(ServerSentEvents events, string fingerprint, IReadOnlyList<CompletionChoice> choices, UsageResponse? usage = null) =>
        events.Write(Create(fingerprint, choices, usage), GatewayJson.Default.CompletionResponse);

    private CompletionResponse Create(string fingerprint, IReadOnlyList<CompletionChoice> choices, UsageResponse? usage) =>
        new(header.Id, header.Created, header.Model, fingerprint) { Choices = choices, Usage = usage };
}
