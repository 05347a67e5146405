using System.Text;
using ServingGrid.Client;
using ServingGrid.Gateway.Errors;
using ServingGrid.Gateway.Http;
using ServingGrid.Gateway.OpenAi.Requests;
using ServingGrid.Gateway.OpenAi.Responses;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>A request that is ready to be run.</summary>
internal sealed record PreparedAnswer(AnswerPlan Plan, AnswerFormat Format, GenerationFields Fields);

/// <summary>Runs a plan and writes its answers, streamed or whole. Thread-safe.</summary>
internal sealed partial class AnswerWriter(
    IGridClient grid, IHostApplicationLifetime lifetime, ReaderWatch readers, ILogger<AnswerWriter> log)
{
    /// <exception cref="Exception">Whatever the grid throws before anything was sent; later failures are sent to the client.</exception>
    public async Task RunAsync(HttpContext context, PreparedAnswer answer)
    {
        (AnswerPlan plan, AnswerFormat format, GenerationFields fields) = answer;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        try
        {
            IAsyncEnumerable<ChoiceUpdate> items = ChoiceStream.RunAsync(grid, plan, stop.Token);
            await (fields.Stream
                ? StreamAsync(context, plan, format, items, fields.StreamUsage, stop.Token)
                : CollectAsync(context, plan, format, items));
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested && stop.IsCancellationRequested)
        {
            throw new ApiException(ApiError.Stopping);
        }
    }

    private static async Task CollectAsync(HttpContext context, AnswerPlan plan, AnswerFormat format, IAsyncEnumerable<ChoiceUpdate> items)
    {
        int count = plan.Requests.Count;
        var usage = new AnswerUsage(plan);
        var texts = Enumerable.Range(0, count).Select(_ => new StringBuilder()).ToArray();
        var tokens = Enumerable.Range(0, count).Select(_ => new List<GeneratedToken>()).ToArray();
        var reasons = new string?[count];
        await foreach ((int index, TextUpdate update) in items)
        {
            usage.Note(update);
            texts[index].Append(update.Text);
            tokens[index].AddRange(update.Tokens);
            reasons[index] ??= Finish(index, update, usage);
        }

        FinishedAnswer[] answers =
        [
            .. Enumerable.Range(0, count).Select(i => new FinishedAnswer(texts[i].ToString(), tokens[i], reasons[i] ?? throw Unfinished())),
        ];
        await format.WriteWholeAsync(context.Response, answers, usage);
    }

    private async Task StreamAsync(
        HttpContext context, AnswerPlan plan, AnswerFormat format, IAsyncEnumerable<ChoiceUpdate> items, bool withUsage, CancellationToken stop)
    {
        using var events = new ServerSentEvents(context.Response, readers);
        try
        {
            var usage = new AnswerUsage(plan);
            var begun = new bool[plan.Requests.Count];
            int open = begun.Length;
            await foreach ((int index, TextUpdate update) in items)
            {
                usage.Note(update);
                string? reason = Finish(index, update, usage);
                if (reason is null && update.Text.Length == 0 && update.Tokens.All(token => token.LogProbability is null))
                {
                    continue; // an incomplete character, or a sign of life
                }

                Begin(events, format, begun, index, update);
                format.WriteUpdate(events, index, update, reason);
                open -= reason is null ? 0 : 1;
                await events.FlushAsync(stop);
            }

            if (open > 0)
            {
                throw Unfinished();
            }

            if (withUsage)
            {
                format.WriteUsage(events, usage);
            }

            events.WriteDone();
            await events.FlushAsync(stop);
        }
        catch (Exception failure) when (events.Started && !context.RequestAborted.IsCancellationRequested)
        {
            await SendErrorAsync(context, events, failure);
        }
    }

    private static void Begin(ServerSentEvents events, AnswerFormat format, bool[] begun, int index, TextUpdate first)
    {
        if (!events.Started)
        {
            events.Start();
        }

        if (!begun[index])
        {
            begun[index] = true;
            format.WriteStart(events, index, first);
        }
    }

    // The status has been sent: the error is the last event, and no [DONE] follows that could pass the answer off as complete.
    private async Task SendErrorAsync(HttpContext context, ServerSentEvents events, Exception failure)
    {
        ApiError error = failure is OperationCanceledException && lifetime.ApplicationStopping.IsCancellationRequested
            ? ApiError.Stopping
            : ErrorMapping.ToApiError(failure, context.TraceIdentifier);
        if (error.Status == StatusCodes.Status500InternalServerError)
        {
            Failed(log, failure, context.TraceIdentifier);
        }
        else
        {
            Interrupted(log, error.Message, context.TraceIdentifier);
        }

        events.Write(ErrorResponse.From(error), GatewayJson.Default.ErrorResponse);
        await events.FlushAsync(context.RequestAborted);
    }

    private static string? Finish(int index, TextUpdate update, AnswerUsage usage)
    {
        if (update.Usage is not null && update.Finish is not null)
        {
            usage.Add(index, update.Usage);
        }

        return update.Finish switch
        {
            null => null,
            FinishReason.Stop => "stop",
            FinishReason.Length => "length",
            _ => throw new GridException(GridError.Unavailable, "The grid has cancelled the request."),
        };
    }

    private static InvalidOperationException Unfinished() => new("An answer ended without a finish reason.");

    [LoggerMessage(LogLevel.Error, "A stream failed (request {RequestId}).")]
    private static partial void Failed(ILogger log, Exception failure, string requestId);

    [LoggerMessage(LogLevel.Warning, "A stream ended early: {Reason} (request {RequestId})")]
    private static partial void Interrupted(ILogger log, string reason, string requestId);
}
