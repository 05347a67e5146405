using System.Text;
using CsCheck;
using ServingGrid.Model.Tokenization.Merging;
using ServingGrid.Model.Tokenization.Vocabularies;

namespace ServingGrid.Model.Tests.Tokenization.Vocabularies;

public sealed class SpecialTokenSplitterTests
{
    private static readonly Gen<string> Pieces = Gen.OneOf(Gen.Const("a"), Gen.Const("b"), Gen.Const(" "), Gen.Const("é"), Gen.Const("😀"));

    /// <summary>Few characters, so that tokens are within, before and across each other in every way.</summary>
    [Fact]
    public void Split_AnyVocabulary_AsThePlainSearch() =>
        Gen.Select(Text(1, 6).Array[1, 12], Text(0, 40), Gen.Bool, Gen.Bool).Sample(
            (tokens, text, parseSpecial, strips) =>
            {
                // Every third token is user-defined, the others are control tokens.
                int[] types = [.. tokens.Select((_, id) => id % 3 == 0 ? 4 : 3)];
                var vocabulary = new Vocabulary(Definition(tokens, types, strips ? "phi-3" : ""));
                Assert.Equal(Plain(vocabulary, text, parseSpecial), new SpecialTokenSplitter(vocabulary).Split(text, parseSpecial, new EncodeScratch()));
            },
            iter: 20_000,
            seed: "0000000000001");

    [Theory]
    [InlineData("a")]
    [InlineData("ab")]
    [InlineData("random")]
    public void Split_HostileVocabulary_TakesLinearWork(string kind)
    {
        const int Small = 20_000;
        string[] tokens = [.. Enumerable.Range(1, 1000).Select(length => Repeat(kind, length, seed: 1))];
        var splitter = new SpecialTokenSplitter(new Vocabulary(Definition(tokens, [.. tokens.Select(_ => 3)], "")));
        long small = Work(Small);
        long large = Work(16 * Small);

        Assert.True(small <= 20 * Small, $"{small} steps for {Small} characters");
        Assert.True(large <= small * 16 * 1.5, $"{small} steps for {Small} characters, {large} for 16 times as many");

        long Work(int length)
        {
            var scratch = new EncodeScratch();
            Assert.NotEmpty(splitter.Split(Repeat(kind, length, seed: 2), parseSpecial: true, scratch));
            return scratch.Steps;
        }
    }

    private static Gen<string> Text(int shortest, int longest) => Pieces.Array[shortest, longest].Select(string.Concat);

    private static string Repeat(string kind, int length, int seed)
    {
        var random = new Random(seed);
        return kind == "random"
            ? string.Concat(Enumerable.Range(0, length).Select(_ => random.Next(30) == 0 ? 'b' : 'a'))
            : string.Concat(Enumerable.Repeat(kind, length));
    }

    private static VocabularyDefinition Definition(string[] tokens, int[] types, string modelName) =>
        new() { Source = "test", Model = "gpt2", Tokens = tokens, Types = types, ModelName = modelName };

    /// <summary>What it is to do, in so many words: token after token, the longest in bytes first, each looked for in the text that is left.</summary>
    private static List<SpecialTokenSplitter.Fragment> Plain(Vocabulary vocabulary, string text, bool parseSpecial)
    {
        List<SpecialTokenSplitter.Fragment> fragments = text.Length == 0 ? [] : [new(-1, 0, text.Length)];
        foreach (int id in Enumerable.Range(0, vocabulary.Count)
            .Where(id => vocabulary.Is(id, SpecialTokenSplitter.Recognised))
            .Where(id => parseSpecial || !vocabulary.Is(id, TokenAttributes.Control | TokenAttributes.Unknown))
            .OrderByDescending(id => Encoding.UTF8.GetByteCount(vocabulary.Pieces[id])))
        {
            for (int i = 0; i < fragments.Count; i++)
            {
                (int token, int start, int end) = fragments[i];
                string piece = vocabulary.Pieces[id];
                int at = token >= 0 ? -1 : text.IndexOf(piece, start, end - start, StringComparison.Ordinal);
                if (at < 0)
                {
                    continue;
                }

                int after = at + piece.Length;
                while (vocabulary.Is(id, TokenAttributes.StripRight) && after < end && text[after] == ' ')
                {
                    after++;
                }

                SpecialTokenSplitter.Fragment[] cut = [new(-1, start, at), new(id, at, after), new(-1, after, end)];
                fragments.RemoveAt(i);
                fragments.InsertRange(i, cut.Where(fragment => fragment.Token >= 0 || fragment.Start < fragment.End));
            }
        }

        return fragments;
    }
}
