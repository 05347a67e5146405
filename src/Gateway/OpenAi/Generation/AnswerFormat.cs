using ServingGrid.Client;
using ServingGrid.Gateway.Http;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>An answer that has ended.</summary>
internal sealed record FinishedAnswer(string Text, IReadOnlyList<GeneratedToken> Tokens, string FinishReason);

/// <summary>How one endpoint writes its answers. One instance for each HTTP request, used by one handler.</summary>
internal abstract class AnswerFormat
{
    /// <summary>What each answer begins with before anything is generated (role, echo).</summary>
    /// <param name="events">Where to.</param>
    /// <param name="index">Of the answer.</param>
    /// <param name="first">What comes first of it.</param>
    public abstract void WriteStart(ServerSentEvents events, int index, TextUpdate first);

    /// <summary>A piece of an answer; <paramref name="finish"/> with its last.</summary>
    public abstract void WriteUpdate(ServerSentEvents events, int index, TextUpdate update, string? finish);

    /// <summary>The chunk with the usage and no choices.</summary>
    public abstract void WriteUsage(ServerSentEvents events, AnswerUsage usage);

    /// <summary>The whole response of a request that does not stream.</summary>
    public abstract Task WriteWholeAsync(HttpResponse response, IReadOnlyList<FinishedAnswer> answers, AnswerUsage usage);
}
