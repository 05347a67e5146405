using System.Text.Json.Nodes;
using ServingGrid.Model.Gguf;
using ServingGrid.Model.Templates;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Client.Models;

/// <summary>Tokenizer and chat template from a model file's header.</summary>
internal sealed class GgufModelText : ModelText
{
    private readonly ChatTemplate? _template;
    private readonly TimeProvider _time;
    private readonly string _bos;
    private readonly string _eos;

    private GgufModelText(GgufModelText text, ModelCard card)
    {
        (Card, Tokenizer, _template, _time) = (card, text.Tokenizer, text._template, text._time);
        (_bos, _eos) = (text._bos, text._eos);
    }

    private GgufModelText(ModelCard card, Tokenizer tokenizer, ChatTemplate? template, TimeProvider time)
    {
        Card = card;
        Tokenizer = tokenizer;
        _template = template;
        _time = time;
        _bos = Piece(tokenizer.BosToken);
        _eos = Piece(tokenizer.EosToken);

        string Piece(int? token) => token is { } id ? tokenizer.TokenPiece(id) : "";
    }

    public override ModelCard Card { get; }

    public override Tokenizer Tokenizer { get; }

    public override bool HasChatTemplate => _template is not null;

    /// <exception cref="GridException"><see cref="GridError.Internal"/>: the header cannot be used.</exception>
    public static GgufModelText Parse(ModelCard card, byte[] header, TimeProvider time) => Create(card, time, () =>
    {
        GgufMetadata metadata = GgufHeader.Parse(header, card.Name).Metadata;
        return (metadata, TokenizerFactory.Create(metadata));
    });

    /// <summary>With the tokenizer that this process has already.</summary>
    /// <exception cref="GridException"><see cref="GridError.Internal"/>: the chat template cannot be used.</exception>
    public static GgufModelText Of(ILocalModel model, ModelCard card, TimeProvider time) =>
        Create(card, time, () => (model.Metadata, model.Tokenizer));

    /// <summary>The same file, of which the grid says something else now.</summary>
    public GgufModelText With(ModelCard card) => new(this, card);

    private static GgufModelText Create(ModelCard card, TimeProvider time, Func<(GgufMetadata Metadata, Tokenizer Tokenizer)> read)
    {
        try
        {
            (GgufMetadata metadata, Tokenizer tokenizer) = read();
            string? template = metadata.GetString("tokenizer.chat_template");
            return new GgufModelText(card, tokenizer, template is null ? null : ChatTemplate.Parse(template), time);
        }
        catch (Exception exception) when (exception is GgufException or ChatTemplateException)
        {
            throw new GridException(GridError.Internal, $"Model {card.Name} cannot be spoken to: {exception.Message}", exception);
        }
    }

    public override int[] RenderChat(JsonArray messages, JsonArray? tools = null, JsonObject? variables = null, bool addGenerationPrompt = true)
    {
        if (_template is null)
        {
            throw Invalid($"Model {Card.Name} has no chat template: use completions.", null);
        }

        string prompt;
        try
        {
            prompt = _template.Render(new ChatTemplateInput
            {
                Messages = messages,
                Tools = tools,
                Variables = variables,
                AddGenerationPrompt = addGenerationPrompt,
                BosToken = _bos,
                EosToken = _eos,
                Now = _time.GetLocalNow(),
            });
        }
        catch (ChatTemplateException exception)
        {
            throw Invalid(exception.Message, exception);
        }

        // A template that writes the BOS token itself must not get a second one from the tokenizer.
        bool hasBos = _bos.Length > 0 && prompt.StartsWith(_bos, StringComparison.Ordinal);
        return Encode(prompt, "messages", addSpecial: !hasBos && Tokenizer.BosToken is not null);
    }

    private static GridException Invalid(string message, Exception? inner) => new(GridError.InvalidRequest, message, inner) { Parameter = "messages" };
}
