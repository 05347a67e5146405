using System.Text;
using ServingGrid.Gateway.Tests.Support;
using ServingGrid.Testing;

namespace ServingGrid.Gateway.Tests.OpenAi;

public sealed class MalformedBodyTests
{
    public static TheoryData<string> Bodies =>
    [
        "",
        " ",
        "null",
        "[]",
        "5",
        "{",
        "{\"model\":",
        "{\"model\":\"scripted\",\"prompt\":\"a\"}}",
        "{\"model\":\"scripted\",\"prompt\":\"a\",}",
        "{\"model\":\"scripted\",\"model\":\"scripted\",\"prompt\":\"a\"}",
        "{\"model\":\"scripted\",\"prompt\":\"\\ud83d\"}",
        "{\"model\":\"scripted\",\"prompt\":\"a\",\"\\udc00\":1}",
        "{\"model\":\"scripted\",\"prompt\":\"a\",\"x\":{\"y\":1,\"\\u0079\":2}}",
        "{\"model\":\"scripted\",\"prompt\":\"a\",\"n\":1" + new string('0', 100_000) + "}",
        "{\"model\":\"scripted\",\"prompt\":" + new string('[', 100_000) + new string(']', 100_000) + "}",
        "{\"model\":\"scripted\",\"prompt\":\"a\",\"x\":" + string.Concat(Enumerable.Repeat("{\"x\":", 5000)) + "1" + new string('}', 5001),
        "\ufeff{\"model\":\"scripted\"",
    ];

    [Theory]
    [MemberData(nameof(Bodies), DisableDiscoveryEnumeration = true)]
    public async Task Post_NotOneStrictJsonObject_Is400(string body)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        Assert.Equal(400, (await server.FailAsync("/v1/completions", body)).Status);
    }

    [Fact]
    public async Task Post_InvalidUtf8_Is400()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        byte[] body = [.. "{\"model\":\"scripted\",\"prompt\":\""u8, 0xC3, 0x28, .. "\"}"u8];
        using HttpResponseMessage response = await server.PostAsync("/v1/completions", body);
        Assert.Equal(400, (await GatewayServer.ReadErrorAsync(response)).Status);
    }

    [Fact]
    public async Task Post_MutatedBodies_AreAnsweredOrRefusedButNeverFail()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        var mutator = new JsonMutator(seed: 20240607);
        for (int i = 0; i < 3000; i++)
        {
            (string path, byte[] body) = mutator.Next();
            using HttpResponseMessage response = await server.PostAsync(path, body);
            int status = (int)response.StatusCode;
            Assert.True(status is 200 or (>= 400 and < 500), $"{status} for {Encoding.UTF8.GetString(body)}");
            if (status != 200)
            {
                await GatewayServer.ReadErrorAsync(response);
            }
        }

        Assert.InRange(mutator.Count, 3000, 3000);
        Assert.Equal(0, server.Grid.Active);
    }
}
