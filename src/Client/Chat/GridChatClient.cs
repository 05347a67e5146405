using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace ServingGrid.Client.Chat;

/// <summary>
/// The grid as Microsoft.Extensions.AI's chat client: text messages in, text out. Thread-safe; owns nothing, so that disposing it
/// leaves the grid client as it is.
/// </summary>
/// <param name="grid">The grid.</param>
/// <param name="defaultModel">Model of requests that name none; null: the only model that the grid serves.</param>
public sealed class GridChatClient(IGridClient grid, string? defaultModel = null) : IChatClient
{
    /// <inheritdoc/>
    /// <exception cref="GridException">As its <see cref="GridError"/> says.</exception>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in GetStreamingResponseAsync(messages, options, cancellationToken))
        {
            updates.Add(update);
        }

        return updates.ToChatResponse();
    }

    /// <inheritdoc/>
    /// <exception cref="GridException">As its <see cref="GridError"/> says.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string model = options?.ModelId ?? defaultModel ?? await OnlyModel(cancellationToken);
        ModelText text = await grid.GetModelTextAsync(model, cancellationToken);
        int[] prompt = text.RenderChat(ChatMapping.ToJson(messages, options?.Instructions));
        GenerateRequest request = ChatMapping.ToRequest(text.Card, prompt, options);
        await foreach (TextUpdate item in grid.GenerateAsync(request, cancellationToken))
        {
            ChatResponseUpdate update = new(ChatRole.Assistant, item.Text)
            {
                ResponseId = request.RequestId,
                MessageId = request.RequestId,
                ModelId = model,
                FinishReason = ChatMapping.ToFinish(item.Finish),
                RawRepresentation = item,
            };
            if (item.Usage is { } usage)
            {
                update.Contents.Add(new UsageContent(ChatMapping.ToUsage(usage)));
            }

            yield return update;
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is not null ? null
        : serviceType.IsInstanceOfType(this) ? this
        : serviceType.IsInstanceOfType(grid) ? grid
        : serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("servinggrid", defaultModelId: defaultModel)
        : null;

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private async Task<string> OnlyModel(CancellationToken cancellation) => await grid.GetModelsAsync(cancellation) switch
    {
        [ModelCard only] => only.Name,
        [] => throw new GridException(GridError.Unavailable, "The grid serves no model."),
        { } several => throw new GridException(GridError.InvalidRequest, $"The grid serves several models, name one: {string.Join(", ", several.Select(card => card.Name))}.")
        {
            Parameter = "model",
        },
    };
}
