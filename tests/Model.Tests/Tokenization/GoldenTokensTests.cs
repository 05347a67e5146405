using System.Text;
using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Tokenization;

/// <summary>Every vocabulary of the reference folder against the ids and bytes that llama.cpp gives.</summary>
public class GoldenTokensTests
{
    private const int MismatchesShown = 5;

    private static readonly GoldenFolder Golden = GoldenFolder.Default;

    public static TheoryData<string> Names => [.. Golden.TokensNames];

    [Theory]
    [MemberData(nameof(Names))]
    public void Encode_EveryReferenceString_EqualsLlamaCpp(string name)
    {
        Tokenizer tokenizer = Load(name);
        IReadOnlyList<GoldenString> strings = Golden.Strings();
        var mismatches = new Mismatches(strings);
        foreach (GoldenTokensCase expected in Golden.Tokens(name).Cases)
        {
            string text = strings[expected.Index].Text;
            mismatches.Check("plain", expected.Index, expected.Plain, tokenizer.Encode(text, addSpecial: false, parseSpecial: false));
            mismatches.Check("special", expected.Index, expected.Special, tokenizer.Encode(text, addSpecial: true, parseSpecial: false));
            mismatches.Check("parse", expected.Index, expected.Parse, tokenizer.Encode(text, addSpecial: false, parseSpecial: true));
        }

        mismatches.AssertNone();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Detokenize_EveryReferenceString_EqualsLlamaCpp(string name)
    {
        Tokenizer tokenizer = Load(name);
        IReadOnlyList<GoldenString> strings = Golden.Strings();
        var mismatches = new Mismatches(strings);
        foreach (GoldenTokensCase expected in Golden.Tokens(name).Cases)
        {
            mismatches.Check("detokenised", expected.Index, Convert.FromHexString(expected.DetokenizedHex), tokenizer.Detokenize(expected.Plain));
        }

        mismatches.AssertNone();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void SpecialTokens_EveryReferenceVocabulary_EqualLlamaCpp(string name)
    {
        Tokenizer tokenizer = Load(name);
        GoldenTokens expected = Golden.Tokens(name);

        Assert.Equal(expected.VocabularySize, tokenizer.VocabularySize);
        Assert.Equal(expected.Bos, tokenizer.BosToken);
        Assert.Equal(expected.Eos, tokenizer.EosToken);
        Assert.Contains(expected.Eos, tokenizer.EndOfGenerationTokens);
        int[] around = [.. expected.AddBos ? [expected.Bos] : Array.Empty<int>(), .. expected.AddEos ? [expected.Eos] : Array.Empty<int>()];
        Assert.Equal(around, tokenizer.Encode("", addSpecial: true, parseSpecial: true));
    }

    private static Tokenizer Load(string name)
    {
        string? file = Golden.FindVocabulary(name);
        Assert.SkipWhen(file is null, $"{Golden.Path} has no vocabulary {name} and {ModelFiles.Absent(name + ".gguf")}");
        using GgufFile gguf = GgufFile.Open(file!);
        return TokenizerFactory.Create(gguf.Metadata);
    }

    private sealed class Mismatches(IReadOnlyList<GoldenString> strings)
    {
        private readonly StringBuilder _report = new();
        private int _count;

        public void Check<T>(string what, int index, T[] expected, T[] actual)
        {
            if (!expected.AsSpan().SequenceEqual(actual) && ++_count <= MismatchesShown)
            {
                _report.AppendLine($"{what} of \"{strings[index].Text}\" ({index}): expected {string.Join(' ', expected)}, is {string.Join(' ', actual)}");
            }
        }

        public void AssertNone() => Assert.True(_count == 0, $"{_count} mismatches\n{_report}");
    }
}
