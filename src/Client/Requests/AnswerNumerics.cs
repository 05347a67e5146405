using Microsoft.Extensions.Logging;

namespace ServingGrid.Client.Requests;

/// <summary>
/// Keeps an answer within one class of arithmetic: tokens of one class do not go on in another unnoticed. An attempt is free to run in any
/// class as long as none before it has brought a token; from the first token on those that follow stay in its class, and leave it only when
/// the grid has no device of it left and the client may. For one request and one reader.
/// </summary>
/// <param name="request">The request.</param>
/// <param name="mayChange"><see cref="GridClientOptions.AllowNumericsChange"/></param>
/// <param name="log">Log.</param>
internal sealed class AnswerNumerics(GenerateRequest request, bool mayChange, ILogger log)
{
    private string? _first;
    private string? _attempt;
    private bool _told;
    private bool _gone;

    /// <summary>Class of the latest tokens; null before the first, or when their silo did not say.</summary>
    public string? Current { get; private set; }

    /// <summary>The class that the next attempt has to run in; null: any.</summary>
    public string? Required { get; private set; }

    /// <summary>For the next attempt: the class in which the answer began, if it may go on in another or does so already.</summary>
    public string? ChangedFrom => _first != Required ? _first : null;

    /// <summary>Items of another attempt follow.</summary>
    public void Begin() => (_attempt, _told) = (null, false);

    /// <summary>
    /// Takes note of an item of the attempt. The attempt's first tokens, or its end without any, come back with their class.
    /// </summary>
    public GenerateUpdate Take(GenerateUpdate item)
    {
        _attempt = item.Numerics ?? _attempt;
        if (item.Tokens.Count == 0 && item.Finish is null)
        {
            return item;
        }

        if (_attempt is { } now)
        {
            if (now != Current)
            {
                NoteChange(now);
                Current = now;
                _first ??= now;
            }

            // Also when an answer that might have left its class went on in it.
            Required = now;
        }

        _gone = false;
        bool told = _told;
        _told = true;
        return told ? item : item with { Numerics = Current };
    }

    /// <summary>True when an attempt failed for want of a device of its class and the next one may run in any.</summary>
    /// <param name="failure">What ended the attempt.</param>
    /// <param name="isLast">There will be no next one.</param>
    public bool TryRelease(Exception failure, bool isLast)
    {
        _gone = failure is GridException { Error: GridError.NumericsGone };
        if (!_gone || !mayChange || isLast || Required is null)
        {
            return false;
        }

        Required = null;
        return true;
    }

    /// <summary>Why a request ends that no device could go on with, beside what the last attempt said.</summary>
    public string? Explain() => _gone && !mayChange
        ? $"no device of numerics class {Required}, in which the answer began, is left; "
            + "the others would go on with other tokens, which this client does not allow"
        : null;

    private void NoteChange(string now)
    {
        if (Current is { } before)
        {
            ClientMetrics.NumericsChanges.Add(1, new("model_name", request.Model), new("from", before), new("to", now));
            log.NumericsChanged(request.RequestId, before, now);
        }
    }
}
