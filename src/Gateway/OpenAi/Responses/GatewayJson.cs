using System.Text.Json.Serialization;
using ServingGrid.Client;

namespace ServingGrid.Gateway.OpenAi.Responses;

/// <summary>Serialization of everything that the Gateway answers, generated at compile time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    GenerationMode = JsonSourceGenerationMode.Default)]
[JsonSerializable(typeof(ErrorResponse))]
[JsonSerializable(typeof(ModelResponse))]
[JsonSerializable(typeof(ModelListResponse))]
[JsonSerializable(typeof(HealthResponse))]
[JsonSerializable(typeof(GridStatus))]
[JsonSerializable(typeof(CompletionResponse))]
[JsonSerializable(typeof(ChatResponse))]
[JsonSerializable(typeof(ChatChunk))]
internal sealed partial class GatewayJson : JsonSerializerContext;
