using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Generation;
using ServingGrid.Gateway.OpenAi.Requests;

namespace ServingGrid.Gateway.OpenAi;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatEndpoint(IGridClient grid, AnswerWriter writer, UnknownFields unknown, LargeRequests large, TimeProvider time)
{
    public async Task HandleAsync(HttpContext context) => await writer.RunAsync(context, await PrepareAsync(context));

    // What the body was turned into is garbage when this ends, not when the answer does.
    private async Task<PreparedAnswer> PrepareAsync(HttpContext context)
    {
        using RequestBody body = await RequestBody.ReadAsync(context, large);
        using LargeRequestTurn turn = await body.EnterAsync(context.RequestAborted);
        ChatRequest request = await turn.RunAsync(() => Read(body));
        Task<ModelText> asked = grid.GetModelTextAsync(request.Generation.Model, context.RequestAborted);
        ModelText model = await turn.AwaitAsync(asked, context.RequestAborted);
        return await turn.RunAsync(() => Prepare(request, model, context.TraceIdentifier));
    }

    private ChatRequest Read(RequestBody body)
    {
        var fields = new RequestFields(body.ReadObject());
        ChatRequest request = ChatRequest.Read(fields);
        unknown.Report(fields);
        return request;
    }

    private PreparedAnswer Prepare(ChatRequest request, ModelText model, string requestId)
    {
        int[] prompt = model.RenderChat(ChatMessages.Read(request.Messages, model), request.Tools, request.Variables);
        var plan = AnswerPlan.Create(request.Generation, [prompt], model.Card, requestId, "messages");
        var format = new ChatFormat(AnswerHeader.Create("chatcmpl", model.Card, time.GetUtcNow()), model.Tokenizer);
        return new PreparedAnswer(plan, format, request.Generation);
    }
}
