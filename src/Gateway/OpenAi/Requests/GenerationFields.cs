using System.Globalization;
using System.Text.Json;
using ServingGrid.Client;
using ServingGrid.Gateway.Errors;

namespace ServingGrid.Gateway.OpenAi.Requests;

/// <summary>The fields that completions and chat share, within OpenAI's ranges, and the extensions that load tests rely on.</summary>
internal sealed record GenerationFields
{
    private const int MaxChoices = 128;
    private const int MaxStops = 16;
    private const int MaxStopLength = 1024;
    private const int MaxBiases = 1024;
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
        Temperature = fields.Number("temperature", 0, 2) ?? 1,
        TopK = Math.Max(0, fields.Integer("top_k", -1, int.MaxValue) ?? 0), // −1 is the other common spelling of "all"
        TopP = Positive(fields, "top_p", 1) ?? 1,
        MinP = fields.Number("min_p", 0, 1) ?? 0,
        RepetitionPenalty = Positive(fields, "repetition_penalty", 10) ?? 1,
        PresencePenalty = fields.Number("presence_penalty", -2, 2) ?? 0,
        FrequencyPenalty = fields.Number("frequency_penalty", -2, 2) ?? 0,
        LogitBias = ReadBias(fields),
        Seed = fields.Long("seed", long.MinValue, long.MaxValue),
        LogProbabilities = logProbabilities,
    };

    private static float? Positive(RequestFields fields, string name, double max) => fields.Number(name, 0, max) switch
    {
        0 => throw ApiException.Invalid($"'{name}' must be greater than 0.", name, "value_out_of_range"),
        var number => number,
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
        const string Name = "logit_bias";
        if (fields.Find(Name) is not { } bias)
        {
            return null;
        }

        if (bias.ValueKind != JsonValueKind.Object)
        {
            throw JsonValues.Wrong(Name, "an object from token ids to numbers");
        }

        if (bias.GetPropertyCount() > MaxBiases)
        {
            throw ApiException.Invalid($"'{Name}' may hold at most {MaxBiases} tokens.", Name);
        }

        var biases = new Dictionary<int, float>();
        foreach (JsonProperty entry in bias.EnumerateObject())
        {
            if (!int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int token))
            {
                throw ApiException.Invalid($"A key of '{Name}' is not a token id.", Name);
            }

            double amount = JsonValues.Double(entry.Value, Name);
            biases[token] = Math.Abs(amount) <= 100 ? (float)amount : throw ApiException.Invalid($"'{Name}' must be in -100 … 100.", Name);
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
