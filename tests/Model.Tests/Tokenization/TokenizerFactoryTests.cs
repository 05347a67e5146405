using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Model.Tests.Tokenization;

public class TokenizerFactoryTests
{
    [Fact]
    public void Create_SmallestVocabularies_Work()
    {
        Assert.Equal([0, 2], Create(writer => writer.Add("tokenizer.ggml.pre", "gpt-2")).Encode("aab", false, false));
        Assert.Equal([0], Create(_ => { }, model: "llama").Encode("a", false, false)[^1..]);
    }

    [Fact]
    public void Create_IdOfMinusOne_IsAbsent()
    {
        // What llama.cpp writes for none: −1 in an unsigned integer, which the writer does not write.
        const int Placeholder = 0x7A7B7C7D;
        var stream = new MemoryStream();
        Writer("gpt2", ["a", "b", "ab"], ["a b"]).Add("tokenizer.ggml.bos_token_id", Placeholder).Write(stream);
        byte[] file = stream.ToArray();
        file.AsSpan(file.AsSpan().IndexOf(BitConverter.GetBytes(Placeholder)), 4).Fill(0xFF);

        Assert.Null(TokenizerFactory.Create(GgufHeader.Parse(file, "test.gguf").Metadata).BosToken);
    }

    [Theory]
    [InlineData("tokenizer 'bert' is not supported")]
    [InlineData("pre-tokenizer 'nonsense' is not supported")]
    [InlineData("key 'tokenizer.ggml.merges' is missing")]
    [InlineData("merge 0 is no pair")]
    [InlineData("the vocabulary has 3 tokens but 2 token types")]
    [InlineData("the vocabulary has 3 tokens but 1 scores")]
    [InlineData("the score of token 1 is not a number")]
    [InlineData("key 'tokenizer.ggml.eos_token_id' is 3 but the vocabulary has 3 tokens")]
    [InlineData("key 'tokenizer.ggml.add_bos_token' asks for a token that 'tokenizer.ggml.bos_token_id' does not name")]
    [InlineData("token 1 has 1025 characters (at most 1024 are supported)")]
    [InlineData("the vocabulary has 0 tokens (1 to 2097152 are supported)")]
    [InlineData("key 'tokenizer.ggml.tokens' is missing")]
    [InlineData("key 'tokenizer.ggml.model' is missing")]
    public void Create_BrokenVocabulary_SaysWhatIsWrong(string reason)
    {
        GgufException error = Assert.Throws<GgufException>(() => reason switch
        {
            "tokenizer 'bert' is not supported" => Create(_ => { }, model: "bert"),
            "pre-tokenizer 'nonsense' is not supported" => Create(writer => writer.Add("tokenizer.ggml.pre", "nonsense")),
            "key 'tokenizer.ggml.merges' is missing" => Create(_ => { }, merges: []),
            "merge 0 is no pair" => Create(_ => { }, merges: ["ab"]),
            "the vocabulary has 3 tokens but 2 token types" => Create(writer => writer.Add("tokenizer.ggml.token_type", new int[] { 1, 1 })),
            "the vocabulary has 3 tokens but 1 scores" => Create(writer => writer.Add("tokenizer.ggml.scores", new float[] { 1 })),
            "the score of token 1 is not a number" => Create(writer => writer.Add("tokenizer.ggml.scores", new float[] { 1, float.NaN, 1 })),
            "token 1 has 1025 characters (at most 1024 are supported)" => Create(_ => { }, tokens: ["a", new string('b', 1025)]),
            "the vocabulary has 0 tokens (1 to 2097152 are supported)" => Create(_ => { }, tokens: []),
            "key 'tokenizer.ggml.tokens' is missing" => Parse(new GgufWriter().Add("tokenizer.ggml.model", "gpt2")),
            "key 'tokenizer.ggml.model' is missing" => Parse(new GgufWriter().Add("general.name", "x")),
            _ when reason.Contains("eos_token_id") => Create(writer => writer.Add("tokenizer.ggml.eos_token_id", 3)),
            _ => Create(writer => writer.Add("tokenizer.ggml.add_bos_token", true)),
        });

        Assert.StartsWith("test.gguf: ", error.Message);
        Assert.EndsWith($"{reason}.", error.Message);
    }

    private static Tokenizer Create(Action<GgufWriter> add, string model = "gpt2", string[]? tokens = null, string[]? merges = null)
    {
        GgufWriter writer = Writer(model, tokens ?? ["a", "b", "ab"], merges ?? ["a b"]);
        add(writer);
        return Parse(writer);
    }

    private static GgufWriter Writer(string model, string[] tokens, string[] merges)
    {
        GgufWriter writer = new GgufWriter().Add("tokenizer.ggml.model", model).Add("tokenizer.ggml.tokens", tokens);
        return merges.Length == 0 ? writer : writer.Add("tokenizer.ggml.merges", merges);
    }

    private static Tokenizer Parse(GgufWriter writer)
    {
        var stream = new MemoryStream();
        writer.Write(stream);
        return TokenizerFactory.Create(GgufHeader.Parse(stream.ToArray(), "test.gguf").Metadata);
    }
}
