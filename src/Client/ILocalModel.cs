using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;

namespace ServingGrid.Client;

/// <summary>
/// A model that a worker of this very process serves. A <see cref="GridClient"/> that knows of it has no header to fetch and no second tokenizer to make. Thread-safe.
/// </summary>
public interface ILocalModel
{
    ModelCard Card { get; }

    /// <summary>From the header of the model file.</summary>
    GgufMetadata Metadata { get; }

    Tokenizer Tokenizer { get; }
}
