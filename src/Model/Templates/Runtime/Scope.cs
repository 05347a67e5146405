using ServingGrid.Model.Templates.Values;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>
/// The variables of one block. Reading looks outwards through the enclosing scopes; setting always sets here, which is why a
/// template needs <c>namespace()</c> to carry a value out of a loop.
/// </summary>
internal sealed class Scope(Scope? parent)
{
    // Most loop turns set one or two variables, many set none.
    private Dictionary<string, JinjaValue>? _variables;

    public void Set(string name, JinjaValue value) => (_variables ??= new(4))[name] = value;

    public JinjaValue? Find(string name)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._variables is not null && scope._variables.TryGetValue(name, out JinjaValue? value))
            {
                return value;
            }
        }

        return null;
    }

    private Scope? Parent { get; } = parent;
}
