namespace ServingGrid.Kernels.Cpu.Attention;

/// <summary>
/// What one worker computes at a time: some consecutive query rows of a sequence, all query heads of one key/value head or some, over
/// all pieces of the context (<paramref name="Piece"/> −1) or over one, whose result goes to <paramref name="State"/>.
/// </summary>
/// <param name="Sequence">Index into the batch.</param>
/// <param name="KvHead">First key/value head.</param>
/// <param name="Heads">Key/value heads; more than one only for few rows.</param>
/// <param name="FirstQuery">First query row, counted within the sequence's rows of this step.</param>
/// <param name="Queries">Query rows.</param>
/// <param name="Piece">The piece, or −1 for all of them.</param>
/// <param name="State">Offset of the first row's state in the shared working memory, in floats; unused for all pieces.</param>
internal readonly record struct AttentionUnit(int Sequence, int KvHead, int Heads, int FirstQuery, int Queries, int Piece, long State);
