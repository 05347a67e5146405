namespace ServingGrid.Model.Templates;

/// <summary>
/// What a template may use up. Chosen so that the largest templates in the wild, over a chat of a million tokens, stay below a
/// tenth of each, while the worst template ends within about a second and a few hundred megabytes.
/// </summary>
internal static class TemplateLimits
{
    /// <summary>Characters of a template's source.</summary>
    public const int SourceLength = 1 << 20;

    /// <summary>Nesting of statements and brackets in the source; the parser recurses this deep.</summary>
    public const int SyntaxDepth = 120;

    /// <summary>Nesting of evaluation: statements, expressions, macros and recursive loops together.</summary>
    public const int RenderDepth = 1500;

    /// <summary>Nesting of one list or dictionary, so that comparing or printing it cannot exhaust the stack.</summary>
    public const int ValueDepth = 200;

    /// <summary>Expressions evaluated, list elements made or compared, loop turns.</summary>
    public const long Steps = 5_000_000;

    /// <summary>Characters that all operations together read or write.</summary>
    public const long Characters = 128L << 20;

    /// <summary>Characters of the rendered text.</summary>
    public const int OutputLength = 32 << 20;

    /// <summary>Elements of one <c>range</c>; the limit of jinja2's own sandbox.</summary>
    public const int RangeLength = 100_000;

    /// <summary>Bits of an integer.</summary>
    public const int IntegerBits = 4096;
}
