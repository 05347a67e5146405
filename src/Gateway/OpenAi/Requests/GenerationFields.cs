using System.Globalization;
using System.Text.Json;
using ServingGrid.Client;
using ServingGrid.Gateway.Errors;
using ServingGrid.Model;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>The fields that completions and chat share, within OpenAI's ranges, and the extensions that load tests rely on.</summary>
internal sealed record GenerationFields
{
    private const int MaxChoices = 128;
    private const int MaxStops = 16;
    private const int MaxStopLength = 1024;
    private const int MaxSaltLength = 256;
    private const int MaxModelLength = 256;

    public required string Model { get; init; }

    /// <summary>Answers for each prompt.</summary>
    public required int Choices { get; init; }

    /// <summary>As the client has set it; null: see <see cref="DefaultMaxTokens"/>.</summary>
    public required int? MaxTokens { get; init; }

    /// <summary>What an absent limit means, where the context has room for it; null: as many as the context holds.</summary>
    public required int? DefaultMaxTokens { get; init; }

    public required int MinTokens { get; init; }

    public required bool IgnoreEos { get; init; }

    public required IReadOnlyList<string> Stops { get; init; }

    public required SamplingOptions Sampling { get; init; }

    public required string? CacheSalt { get; init; }

    public required int Priority { get; init; }

    public required bool Stream { get; init; }

    /// <summary>End the stream with a chunk that has the usage and no choices.</summary>
    public required bool StreamUsage { get; init; }

    /// <param name="fields">The request.</param>
    /// <param name="defaultMaxTokens"><see cref="DefaultMaxTokens"/></param>
    /// <param name="logProbabilities">How many alternatives to report beside each token; null reports none.</param>
    public static GenerationFields Read(RequestFields fields, int? defaultMaxTokens, int? logProbabilities)
    {
        fields.Ignore("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key");
        bool stream = fields.Flag("stream");
        int? legacyMax = fields.Integer("max_tokens", 1, int.MaxValue);
        int? maxTokens = fields.Integer("max_completion_tokens", 1, int.MaxValue) ?? legacyMax;
        return new GenerationFields
        {
            Model = ReadModel(fields),
            Choices = fields.Integer("n", 1, MaxChoices) ?? 1,
            MaxTokens = maxTokens,
            DefaultMaxTokens = defaultMaxTokens,
            MinTokens = fields.Integer("min_tokens", 0, maxTokens ?? defaultMaxTokens ?? int.MaxValue) ?? 0,
            IgnoreEos = fields.Flag("ignore_eos"),
            Stops = ReadStops(fields),
            Sampling = ReadSampling(fields, logProbabilities),
            CacheSalt = ReadSalt(fields),
            Priority = fields.Integer("priority", int.MinValue, int.MaxValue) ?? 0,
            Stream = stream,
            StreamUsage = ReadStreamUsage(fields, stream),
        };
    }

    private static string ReadModel(RequestFields fields) => fields.RequireText("model") is { Length: > 0 and <= MaxModelLength } model
        ? model
        : throw ApiException.Invalid($"'model' must have 1 … {MaxModelLength} characters.", "model");

    private static SamplingOptions ReadSampling(RequestFields fields, int? logProbabilities) => new()
    {
        Temperature = fields.Number(SamplingRanges.Temperature) ?? 1,
        TopK = fields.Integer(SamplingRanges.TopK) ?? 0,
        TopP = fields.Number(SamplingRanges.TopP) ?? 1,
        MinP = fields.Number(SamplingRanges.MinP) ?? 0,
        RepetitionPenalty = fields.Number(SamplingRanges.RepetitionPenalty) ?? 1,
        PresencePenalty = fields.Number(SamplingRanges.PresencePenalty) ?? 0,
        FrequencyPenalty = fields.Number(SamplingRanges.FrequencyPenalty) ?? 0,
        LogitBias = ReadBias(fields),
        Seed = fields.Long("seed", long.MinValue, long.MaxValue),
        LogProbabilities = logProbabilities,
    };

    private static List<string> ReadStops(RequestFields fields)
    {
        List<string> stops = fields.Find("stop") switch
        {
            null => [],
            { ValueKind: JsonValueKind.String } one => [JsonValues.Text(one, "stop")],
            { ValueKind: JsonValueKind.Array } several =>
                [.. JsonValues.Items(several, "stop", MaxStops).Select(item => JsonValues.Text(item, "stop"))],
            _ => throw JsonValues.Wrong("stop", "a string or an array of strings"),
        };
        return stops.All(stop => stop.Length is > 0 and <= MaxStopLength)
            ? stops
            : throw ApiException.Invalid($"Each string of 'stop' must have 1 … {MaxStopLength} characters.", "stop");
    }

    private static Dictionary<int, float>? ReadBias(RequestFields fields)
    {
        SamplingRange range = SamplingRanges.LogitBias;
        if (fields.Find(range.Name) is not { } bias)
        {
            return null;
        }

        if (bias.ValueKind != JsonValueKind.Object)
        {
            throw JsonValues.Wrong(range.Name, "an object from token ids to numbers");
        }

        if (bias.GetPropertyCount() > SamplingRanges.MaxBiases)
        {
            throw ApiException.Invalid($"'{range.Name}' may hold at most {SamplingRanges.MaxBiases} tokens.", range.Name);
        }

        var biases = new Dictionary<int, float>();
        foreach (JsonProperty entry in bias.EnumerateObject())
        {
            if (!int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int token))
            {
                throw ApiException.Invalid($"A key of '{range.Name}' is not a token id.", range.Name);
            }

            double amount = JsonValues.Double(entry.Value, range.Name);
            biases[token] = amount >= range.Least && amount <= range.Most
                ? (float)amount
                : throw ApiException.Invalid($"'{range.Name}' must be in {range.Least} … {range.Most}.", range.Name);
        }

        return biases;
    }

    private static string? ReadSalt(RequestFields fields) => fields.Text("cache_salt") switch
    {
        null => null,
        { Length: > 0 and <= MaxSaltLength } salt => salt,
        _ => throw ApiException.Invalid($"'cache_salt' must have 1 … {MaxSaltLength} characters.", "cache_salt"),
    };

    private static bool ReadStreamUsage(RequestFields fields, bool stream)
    {
        RequestFields? options = fields.Object("stream_options");
        if (options is not null && !stream)
        {
            throw ApiException.Invalid("'stream_options' is only allowed with 'stream': true.", "stream_options");
        }

        return options?.Flag("include_usage") ?? false;
    }
}
