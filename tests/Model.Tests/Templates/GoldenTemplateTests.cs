using System.Text.Json.Nodes;
using ServingGrid.Model.Templates;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Templates;

/// <summary>Every template of the golden folder renders every chat as Python's jinja2 does, or refuses it with the same message.</summary>
public class GoldenTemplateTests
{
    public static TheoryData<string> Templates => [.. GoldenFolder.Default.TemplateNames];

    [Theory]
    [MemberData(nameof(Templates))]
    public void Render_GoldenChats_AsJinja2(string name) => Check(GoldenFolder.Default, name);

    [Fact]
    public void Render_GoldenChatsOfTheRepository_AsJinja2()
    {
        Assert.NotEmpty(GoldenFolder.Repository.TemplateNames);
        Assert.All(GoldenFolder.Repository.TemplateNames, name => Check(GoldenFolder.Repository, name));
    }

    private static void Check(GoldenFolder folder, string name)
    {
        GoldenTemplate golden = folder.Template(name);
        GoldenChats chats = folder.Chats();
        ChatTemplate template = ChatTemplate.Parse(golden.Source);
        Assert.NotEmpty(golden.Expected);
        Assert.All(golden.Expected, expected =>
        {
            ChatTemplateInput input = ToInput(chats, chats.Chats[expected.Key]);
            if (expected.Value.Error is { } message)
            {
                ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => template.Render(input));
                Assert.Equal((ChatTemplateError.Raised, message), (error.Error, error.Detail));
            }
            else
            {
                Assert.Equal(expected.Value.Text, template.Render(input));
            }
        });
    }

    private static ChatTemplateInput ToInput(GoldenChats chats, JsonObject chat)
    {
        var variables = (JsonObject)chat.DeepClone();
        JsonNode? messages = variables["messages"], tools = variables["tools"];
        bool addGenerationPrompt = variables["add_generation_prompt"]?.GetValue<bool>() ?? true;
        variables.Remove("messages");
        variables.Remove("tools");
        variables.Remove("add_generation_prompt");
        return new ChatTemplateInput
        {
            Messages = messages!.AsArray(),
            Tools = tools?.AsArray(),
            AddGenerationPrompt = addGenerationPrompt,
            Variables = variables,
            BosToken = chats.Strings["bos_token"],
            EosToken = chats.Strings["eos_token"],
            Now = new DateTimeOffset(chats.Now, TimeSpan.Zero),
        };
    }
}
