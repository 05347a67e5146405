using System.Runtime.CompilerServices;

namespace ServingGrid.Model.Templates.Runtime;

/// <summary>Counts what one rendering uses and ends it at the limits of <see cref="TemplateLimits"/>.</summary>
internal sealed class Budget
{
    private long _steps = TemplateLimits.Steps;
    private long _characters = TemplateLimits.Characters;
    private int _depth;

    /// <summary>Pays for <paramref name="count"/> elementary steps before they are done.</summary>
    public void Steps(long count)
    {
        if ((_steps -= count) < 0)
        {
            throw TemplateFault.Bound($"the template takes more than {TemplateLimits.Steps} steps");
        }
    }

    /// <summary>Pays for reading or writing <paramref name="count"/> characters before that is done.</summary>
    public void Characters(long count)
    {
        if ((_characters -= count) < 0)
        {
            throw TemplateFault.Bound($"the template works through more than {TemplateLimits.Characters} characters");
        }
    }

    /// <summary>One step that evaluates parts of its own; <see cref="Leave"/> ends it. After an exception the budget is of no use.</summary>
    public void Enter()
    {
        Steps(1);
        if (++_depth > TemplateLimits.RenderDepth || (_depth % 8 == 0 && !RuntimeHelpers.TryEnsureSufficientExecutionStack()))
        {
            throw TemplateFault.Bound("the template nests too deeply while rendering (an endless recursion?)");
        }
    }

    public void Leave() => _depth--;
}
