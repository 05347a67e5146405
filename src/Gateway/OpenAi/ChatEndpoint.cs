using ServingGrid.Client;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Generation;
using ServingGrid.Gateway.OpenAi.Requests;

namespace ServingGrid.Gateway.OpenAi;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatEndpoint(IGridClient grid, AnswerWriter writer, UnknownFields unknown, TimeProvider time)
{
    public async Task HandleAsync(HttpContext context)
    {
        var fields = new RequestFields(await JsonBody.ReadAsync(context.Request));
        ChatRequest request = ChatRequest.Read(fields);
        unknown.Report(fields);

        ModelText model = await grid.GetModelTextAsync(request.Generation.Model, context.RequestAborted);
        int[] prompt = model.RenderChat(request.Messages, request.Tools, request.Variables);
        var plan = AnswerPlan.Create(request.Generation, [prompt], model.Card, context.TraceIdentifier, "messages");
        var format = new ChatFormat(AnswerHeader.Create("chatcmpl", model.Card, time.GetUtcNow()), model.Tokenizer);
        await writer.RunAsync(context, plan, format, request.Generation);
    }
}
