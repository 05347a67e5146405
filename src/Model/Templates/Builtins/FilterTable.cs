using System.Collections.Frozen;
using ServingGrid.Model.Templates.Runtime;
using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Builtins;

/// <summary>What stands behind <c>value | name(arguments)</c>.</summary>
internal delegate JinjaValue FilterFunction(RenderContext context, JinjaValue value, Arguments arguments);

/// <summary>The filters by name.</summary>
internal static class FilterTable
{
    private static readonly FrozenDictionary<string, FilterFunction> Table = new Dictionary<string, FilterFunction>
    {
        ["string"] = TextFilters.ToText,
        ["safe"] = TextFilters.ToText,
        ["escape"] = TextFilters.Escape,
        ["e"] = TextFilters.Escape,
        ["forceescape"] = TextFilters.Escape,
        ["trim"] = TextFilters.Trim,
        ["upper"] = TextFilters.Upper,
        ["lower"] = TextFilters.Lower,
        ["capitalize"] = TextFilters.Capitalize,
        ["title"] = TextFilters.Title,
        ["replace"] = TextFilters.Replace,
        ["indent"] = TextFilters.Indent,
        ["center"] = TextFilters.Center,
        ["truncate"] = TextFilters.Truncate,
        ["wordcount"] = TextFilters.WordCount,
        ["format"] = TextFilters.Format,
        ["urlencode"] = TextFilters.UrlEncode,
        ["tojson"] = TextFilters.ToJson,
        ["join"] = TextFilters.Join,
        ["abs"] = NumberFilters.Abs,
        ["int"] = NumberFilters.ToInt,
        ["float"] = NumberFilters.ToFloat,
        ["round"] = NumberFilters.Round,
        ["default"] = ValueFilters.Default,
        ["d"] = ValueFilters.Default,
        ["attr"] = ValueFilters.Attr,
        ["length"] = ValueFilters.Length,
        ["count"] = ValueFilters.Length,
        ["list"] = SequenceFilters.ToList,
        ["first"] = SequenceFilters.First,
        ["last"] = SequenceFilters.Last,
        ["reverse"] = SequenceFilters.Reverse,
        ["items"] = SequenceFilters.Items,
        ["batch"] = SequenceFilters.Batch,
        ["slice"] = SequenceFilters.Slice,
        ["sum"] = SequenceFilters.Sum,
        ["map"] = SelectionFilters.Map,
        ["select"] = (c, v, a) => SelectionFilters.Select(c, v, a, keep: true, byAttribute: false),
        ["reject"] = (c, v, a) => SelectionFilters.Select(c, v, a, keep: false, byAttribute: false),
        ["selectattr"] = (c, v, a) => SelectionFilters.Select(c, v, a, keep: true, byAttribute: true),
        ["rejectattr"] = (c, v, a) => SelectionFilters.Select(c, v, a, keep: false, byAttribute: true),
        ["sort"] = OrderFilters.Sort,
        ["dictsort"] = OrderFilters.DictSort,
        ["groupby"] = OrderFilters.GroupBy,
        ["unique"] = OrderFilters.Unique,
        ["min"] = (c, v, a) => OrderFilters.Extreme(c, v, a, sign: -1),
        ["max"] = (c, v, a) => OrderFilters.Extreme(c, v, a, sign: 1),
    }.ToFrozenDictionary();

    public static FilterFunction? Find(string name) => Table.GetValueOrDefault(name);
}
