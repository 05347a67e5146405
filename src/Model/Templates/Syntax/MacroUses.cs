namespace ServingGrid.Model.Templates.Syntax;

/// <summary>Which of the special names the body of a macro reads; they decide what arguments it accepts.</summary>
internal sealed class MacroUses
{
    public bool VarArgs { get; private set; }

    public bool KwArgs { get; private set; }

    public bool Caller { get; private set; }

    public void Note(string name)
    {
        VarArgs |= name == "varargs";
        KwArgs |= name == "kwargs";
        Caller |= name == "caller";
    }
}
