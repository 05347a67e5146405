namespace ServingGrid.Engine.Scheduling;

/// <summary>Where a sequence's tokens go. Called on the engine's thread; returns at once. One of the last two is the last call.</summary>
internal interface ISequenceOutput
{
    void Token(ChosenToken token);

    void End(SequenceEnd end);

    void Fail(EngineException reason);
}
