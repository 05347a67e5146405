using CsCheck;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Model.Tests.Tokenization;

public class StopStringMatcherTests
{
    [Fact]
    public void Append_AnyTextAnyCut_AgreesWithSearchingTheWhole()
    {
        Gen<string> word = Gen.String["abc"];
        Gen.Select(word.Where(w => w.Length > 0).Array[0, 4], Gen.String["abc"].Array[0, 12]).Sample((stops, pieces) =>
        {
            string text = string.Concat(pieces);
            (string? found, string before) = Search(text, stops);
            var matcher = new StopStringMatcher(stops);
            var released = new List<string>();
            foreach (string piece in pieces)
            {
                released.Add(matcher.Append(piece));
                string so = string.Concat(released);
                Assert.True(before.StartsWith(so, StringComparison.Ordinal), $"gave {so} of {before}");
            }

            Assert.Equal(found, matcher.Found);
            released.Add(matcher.Flush());
            Assert.Equal(before, string.Concat(released));
        }, iter: 4000, seed: "0000KGXjKAz1");
    }

    [Fact]
    public void Append_PossibleStart_HoldsNoMoreThanThat()
    {
        var matcher = new StopStringMatcher(["</end>", "STOP"]);

        Assert.Equal("x", matcher.Append("x<"));
        Assert.Equal("", matcher.Append("/e"));
        Assert.Equal("</eo", matcher.Append("oS"));
        Assert.Equal("", matcher.Append("TO"));
        Assert.Null(matcher.Found);
        Assert.Equal("", matcher.Append("P and more"));
        Assert.Equal("STOP", matcher.Found);
        Assert.Equal("", matcher.Append("more"));
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void Append_TwoStopsEndTogether_LongerWins()
    {
        var matcher = new StopStringMatcher(["b", "ab"]);

        Assert.Equal("x", matcher.Append("xab"));
        Assert.Equal("ab", matcher.Found);
    }

    [Fact]
    public void Append_NoStops_HoldsNothing()
    {
        Assert.Equal("anything", new StopStringMatcher([]).Append("anything"));
    }

    [Fact]
    public void Constructor_EmptyStop_Throws()
    {
        Assert.Throws<ArgumentException>(() => new StopStringMatcher(["a", ""]));
    }

    // The stop string that ends first, of those that end there the longest.
    private static (string? Found, string Before) Search(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            if (stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal)).MaxBy(stop => stop.Length) is { } found)
            {
                return (found, text[..(end - found.Length)]);
            }
        }

        return (null, text);
    }
}
