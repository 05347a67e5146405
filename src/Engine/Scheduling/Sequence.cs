using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Disaggregation;
using ServingGrid.Engine.Sampling;
using ServingGrid.Engine.Stopping;

namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// A sequence in the engine's hands: its tokens, how many of them have KV, and the blocks that hold it. Every step lets
/// <see cref="Computed"/> catch up with <see cref="Count"/>; when it has, a token is chosen. Belongs to the engine's thread.
/// </summary>
internal sealed class Sequence
{
    private int[] _tokens;

    public Sequence(SequenceRequest request, int limit, BlockHashChain hashes, StopRules stop, ISequenceOutput output)
    {
        Request = request;
        Limit = limit;
        Hashes = hashes;
        Stop = stop;
        Output = output;
        Count = request.Prompt.Length;
        _tokens = new int[Math.Max(Count, Math.Min(limit, Count + 64)) + 1];
        request.Prompt.CopyTo(_tokens, 0);
        Penalties = request.Sampling.HasPenalties ? new PenaltyCounts(request.Prompt, AnswerStart) : null;
    }

    public SequenceRequest Request { get; }

    public ISequenceOutput Output { get; }

    public BlockHashChain Hashes { get; }

    public StopRules Stop { get; }

    public PenaltyCounts? Penalties { get; }

    /// <summary>Set when the blocks are to be filled by another device.</summary>
    public ReservationTicket? Ticket { get; init; }

    /// <summary>True while another device is to compute its prompt: reserved, or on its way to be.</summary>
    public bool IsFilledElsewhere => Ticket is { Used: false };

    /// <summary>What its owner holds, unless it is computed for another device.</summary>
    public SequenceHandle? Handle { get; set; }

    /// <summary>Set when the prompt is computed for another device.</summary>
    public PrefillOutput? Prefill => Output as PrefillOutput;

    /// <summary>Order of acceptance.</summary>
    public long Arrival { get; set; }

    /// <summary>See <see cref="PromptTurn"/>: with the priority, the order of everything.</summary>
    public long Turn { get; set; }

    public SequenceStage Stage { get; set; }

    /// <summary>Ends as soon as nobody else writes to its blocks.</summary>
    public bool CancelRequested { get; set; }

    public BlockTable Table { get; } = new();

    /// <summary>Tokens known.</summary>
    public int Count { get; private set; }

    /// <summary>Leading tokens whose KV is in the blocks.</summary>
    public int Computed { get; set; }

    /// <summary>Leading full blocks that the prefix cache was offered.</summary>
    public int OfferedBlocks { get; set; }

    /// <summary>Leading full blocks that the prefix cache gave it: computed for others.</summary>
    public int SharedBlocks { get; set; }

    /// <summary>
    /// Its logits were not numbers, and it is computed once more, from the start: whether it is to blame is seen when it comes to the same
    /// token.
    /// </summary>
    public bool IsSecondTry { get; set; }

    /// <summary>Given up by the engine while somebody else held its reservation: it ends so as soon as it is back.</summary>
    public EngineException? GivenUp { get; set; }

    /// <summary>End (in blocks) of the range from <see cref="OfferedBlocks"/> that is announced as being computed.</summary>
    public int AnnouncedBlocks { get; set; }

    /// <summary>While waiting: the block that another sequence is computing for both.</summary>
    public UInt128? WaitsFor { get; set; }

    /// <summary>Cached prompt tokens at first admission; null before it.</summary>
    public int? CachedTokens { get; set; }

    /// <summary>Length at which it ends, whatever it says.</summary>
    public int Limit { get; }

    public int AnswerStart => Request.Prompt.Length - Request.GeneratedInPrompt;

    public int AnswerLength => Count - AnswerStart;

    public bool IsDecoding => Stage == SequenceStage.Decoding;

    public long Arrived { get; set; }

    public long Admitted { get; set; }

    public long FirstToken { get; set; }

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    /// <summary>Order in every queue: priority, then turn, then arrival.</summary>
    public bool ComesBefore(Sequence other) => (Request.Priority, Turn, Arrival).CompareTo((other.Request.Priority, other.Turn, other.Arrival)) < 0;

    public void Append(int token)
    {
        if (Count == _tokens.Length)
        {
            Array.Resize(ref _tokens, Count * 2);
        }

        _tokens[Count++] = token;
        Penalties?.Add(token);
    }

    /// <summary>It holds no blocks any longer; who takes them back is the caller's affair.</summary>
    public void Forget()
    {
        Table.Clear();
        Computed = OfferedBlocks = SharedBlocks = AnnouncedBlocks = 0;
    }

    public SequenceUsage Usage => new(AnswerStart, CachedTokens ?? 0, AnswerLength);
}
