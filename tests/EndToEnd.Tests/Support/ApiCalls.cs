using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace ServingGrid.EndToEnd.Tests.Support;

/// <summary>Raw calls of the API, for what no SDK shows.</summary>
internal static class ApiCalls
{
    public static Task<HttpResponseMessage> PostAsync(this GatewayProcess gateway, string path, JsonObject body, CancellationToken cancellation = default)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString())),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return gateway.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
    }

    /// <summary>The whole answer, which must be a success.</summary>
    public static async Task<JsonNode> CallAsync(this GatewayProcess gateway, string path, JsonObject body)
    {
        using HttpResponseMessage response = await gateway.PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    /// <summary>The chunks of a streamed answer, which must be complete.</summary>
    public static async Task<IReadOnlyList<JsonNode>> StreamAsync(this GatewayProcess gateway, string path, JsonObject body)
    {
        using HttpResponseMessage response = await gateway.PostAsync(path, body);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        string[] events = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("data: [DONE]", events[^1]);
        return [.. events.SkipLast(1).Select(data => JsonNode.Parse(data["data: ".Length..])!)];
    }

    /// <summary>Sum of a metric over all its labels; it must be there.</summary>
    public static Task<double> ReadMetricAsync(this GatewayProcess gateway, string name) => gateway.Http.ReadMetricAsync(name);

    /// <summary>Sum of a metric over all its labels; it must be there.</summary>
    public static async Task<double> ReadMetricAsync(this HttpClient http, string name)
    {
        string text = await http.GetStringAsync("/metrics");
        string[] samples =
        [
            .. text.Split('\n').Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) || line.StartsWith(name + " ", StringComparison.Ordinal)),
        ];
        Assert.True(samples.Length > 0, $"There is no metric {name}:\n{text}");
        return samples.Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }

    /// <summary>Waits until a metric is what it should be; fails with its last value.</summary>
    public static async Task WaitForMetricAsync(this GatewayProcess gateway, string name, Func<double, bool> expected)
    {
        long start = Stopwatch.GetTimestamp();
        double value = await gateway.ReadMetricAsync(name);
        while (!expected(value))
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(1), $"{name} is still {value}.\n{gateway.Output}");
            await Task.Delay(20);
            value = await gateway.ReadMetricAsync(name);
        }
    }

    /// <summary>Waits until <c>/health</c> has this status; what it says.</summary>
    public static async Task<string> WaitForHealthAsync(this GatewayProcess gateway, HttpStatusCode status)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            using HttpResponseMessage response = await gateway.Http.GetAsync("/health");
            string text = await response.Content.ReadAsStringAsync();
            if (response.StatusCode == status && (status == HttpStatusCode.OK || text.Contains("reason")))
            {
                return text;
            }

            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(60), $"/health still says {text}\n{gateway.Output}");
            await Task.Delay(100);
        }
    }
}
