namespace ServingGrid.Engine.Disaggregation;

/// <summary>What a reservation asks of its engine. Called from any thread; nothing here waits for the engine's thread.</summary>
internal interface IReservationOwner
{
    /// <summary>The engine's clock, <paramref name="lifetime"/> from now.</summary>
    long DeadlineAfter(TimeSpan lifetime);

    /// <summary>Token ids are below it.</summary>
    int VocabularySize { get; }

    /// <summary>Copies KV into blocks of the cache; returns when later steps see it. False when the engine is gone.</summary>
    bool TryScatter(ReadOnlySpan<int> blocks, int firstLayer, int layers, ReadOnlySpan<byte> data);

    void Committed(Reservation reservation, ChosenToken first);

    void StartedLocally(Reservation reservation);

    void Released(Reservation reservation);
}
