using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Generation;
using ServingGrid.Gateway.OpenAi.Requests;

namespace ServingGrid.Gateway.OpenAi;

/// <summary><c>POST /v1/completions</c>.</summary>
internal sealed class CompletionsEndpoint(
    IGridClient grid, AnswerWriter writer, UnknownFields unknown, LargeRequests large, TimeProvider time)
{
    public async Task HandleAsync(HttpContext context) => await writer.RunAsync(context, await PrepareAsync(context));

    // What the body was turned into is garbage when this ends, not when the answer does.
    private async Task<PreparedAnswer> PrepareAsync(HttpContext context)
    {
        using RequestBody body = await RequestBody.ReadAsync(context, large);
        using LargeRequestTurn turn = await body.EnterAsync(context.RequestAborted);
        CompletionRequest request = await turn.RunAsync(() => Read(body));
        Task<ModelText> asked = grid.GetModelTextAsync(request.Generation.Model, context.RequestAborted);
        ModelText model = await turn.AwaitAsync(asked, context.RequestAborted);
        return await turn.RunAsync(() => Prepare(request, model, context.TraceIdentifier));
    }

    private CompletionRequest Read(RequestBody body)
    {
        var fields = new RequestFields(body.ReadObject());
        CompletionRequest request = CompletionRequest.Read(fields);
        unknown.Report(fields);
        return request;
    }

    private PreparedAnswer Prepare(CompletionRequest request, ModelText model, string requestId)
    {
        IReadOnlyList<EncodedPrompt> prompts = request.Prompt.Encode(model, withText: request.Echo);
        var plan = AnswerPlan.Create(request.Generation, [.. prompts.Select(prompt => prompt.Tokens)], model.Card, requestId, "prompt");
        string[] echoes = [.. plan.Requests.Select((_, i) => request.Echo ? prompts[i / plan.ChoicesPerPrompt].Text : "")];
        var format = new CompletionFormat(AnswerHeader.Create("cmpl", model.Card, time.GetUtcNow()), model.Tokenizer, echoes);
        return new PreparedAnswer(plan, format, request.Generation);
    }
}
