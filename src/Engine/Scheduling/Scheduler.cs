using ServingGrid.Engine.Blocks;

namespace ServingGrid.Engine.Scheduling;

/// <summary>
/// The policy: who computes what in a step. Decoding sequences first, one token each; then what prompts have left, in order; then waiting
/// sequences, in order, while there are blocks. When a decoding sequence finds no block, the last running one gives up its own and is
/// computed again later. Not thread-safe.
/// </summary>
/// <remarks>
/// After vLLM v1 ("computed catches up with total", preemption by recomputation). Nothing starves: order is priority, then turn (<see cref="PromptTurn"/>), everywhere; the
/// first running sequence is never preempted for another; one that waits for blocks is not overtaken by those after it, unless it waits for
/// reservations to end and they are prompts of other devices, which must not wait for that (<see cref="BlockManager"/> says why).
/// </remarks>
internal sealed class Scheduler(BlockManager blocks, PromptPace pace, EngineOptions options)
{
    private readonly List<Sequence> _running = [];
    private readonly List<Sequence> _reserved = [];

    /// <summary>Sequences that compute, in order.</summary>
    public IReadOnlyList<Sequence> Running => _running;

    public WaitingQueue Waiting { get; } = new();

    /// <summary>Sequences whose blocks another device fills.</summary>
    public IReadOnlyList<Sequence> Reserved => _reserved;

    public long Preemptions { get; private set; }

    /// <summary>Told of a sequence that has just got its blocks.</summary>
    public Action<Sequence>? Admitted { get; set; }

    /// <summary>
    /// Told of a prompt of another device that would have to wait for a reservation to end, and is in no queue any longer.
    /// </summary>
    public Action<Sequence>? Refused { get; set; }

    /// <summary>Fills <paramref name="plan"/>; admits and preempts as needed.</summary>
    public void Plan(StepPlan plan)
    {
        plan.Clear();
        bool preempted = CoverDecodes();
        foreach (Sequence sequence in _running)
        {
            if (sequence.IsDecoding)
            {
                plan.AddDecode(sequence);
            }
        }

        int mostPrompt = plan.Decodes > 0 ? pace.TokensBeside(plan.Decodes) : plan.Budget;
        mostPrompt = HandsOver() ? Math.Min(mostPrompt, pace.TokensHandedOver) : mostPrompt;
        for (int i = 0; i < _running.Count; i++)
        {
            Sequence sequence = _running[i];
            if (!sequence.IsDecoding)
            {
                int running = _running.Count;
                if (!preempted)
                {
                    Admit(plan, mostPrompt, before: sequence);
                }

                // Those stand before it now.
                i += _running.Count - running;
                plan.AddPromptChunk(sequence, mostPrompt - plan.PromptTokens);
            }
        }

        if (!preempted)
        {
            Admit(plan, mostPrompt, before: null);
        }

        if (Reserved.Count >= options.MaxSequences)
        {
            RefusePrefills();
        }
    }

    /// <summary>Adds a sequence that holds its blocks to the running ones.</summary>
    public void Run(Sequence sequence)
    {
        sequence.Stage = SequenceStage.Prefilling;
        _running.InsertInOrder(sequence);
    }

    /// <summary>A running sequence gives up its blocks and is computed anew when its turn comes.</summary>
    public void StartOver(Sequence sequence)
    {
        _running.Remove(sequence);
        blocks.Free(sequence);
        sequence.Stage = SequenceStage.Waiting;
        Waiting.Add(sequence);
    }

    /// <summary>True if it computes.</summary>
    public bool IsRunning(Sequence sequence) => _running.Contains(sequence);

    /// <summary>Takes a sequence out of wherever it is; its blocks stay its own.</summary>
    public void Remove(Sequence sequence)
    {
        if (!_running.Remove(sequence) && !Waiting.Remove(sequence) && _reserved.Remove(sequence))
        {
            blocks.EndReservation(sequence);
        }
    }

    private bool HandsOver()
    {
        foreach (Sequence sequence in _running)
        {
            if (sequence.Prefill is not null)
            {
                return true;
            }
        }

        return Waiting.Count > 0 && Waiting[0].Prefill is not null;
    }

    /// <summary>Waiting sequences, in order, as long as their turn is before that of a running one, if there is one.</summary>
    private void Admit(StepPlan plan, int mostPrompt, Sequence? before)
    {
        int i = 0;
        bool prefillsOnly = false;
        while (i < Waiting.Count && (before is null || Waiting[i].ComesBefore(before)) && _running.Count + Reserved.Count < options.MaxSequences && plan.Budget > 0 && plan.PromptTokens < mostPrompt)
        {
            Sequence sequence = Waiting[i];
            if (prefillsOnly && sequence.Prefill is null)
            {
                i++;
                continue;
            }

            switch (blocks.TryAdmit(sequence, spare: _running.Count))
            {
                case Admission.Admitted:
                    Waiting.RemoveAt(i);
                    Start(sequence);
                    plan.AddPromptChunk(sequence, sequence.Stage == SequenceStage.Reserved ? 0 : mostPrompt - plan.PromptTokens);
                    break;
                case Admission.SharesWork:
                    i++;
                    break;
                case Admission.NoBlocks when blocks.AwaitsReservations(sequence):
                    prefillsOnly = true;
                    if (sequence.Prefill is not null)
                    {
                        Refuse(i);
                    }
                    else
                    {
                        i++;
                    }

                    break;
                default:
                    return;
            }
        }
    }

    /// <summary>Every place is reserved: see <see cref="BlockManager"/>.</summary>
    private void RefusePrefills()
    {
        for (int i = Waiting.Count - 1; i >= 0; i--)
        {
            if (Waiting[i].Prefill is not null)
            {
                Refuse(i);
            }
        }
    }

    private void Refuse(int waiting)
    {
        Sequence sequence = Waiting[waiting];
        Waiting.RemoveAt(waiting);
        Refused?.Invoke(sequence);
    }

    private void Start(Sequence sequence)
    {
        // A reservation that was preempted after its commit is computed here like any other sequence.
        if (sequence.Ticket is { Used: false })
        {
            sequence.Stage = SequenceStage.Reserved;
            _reserved.Add(sequence);
            blocks.BeginReservation(sequence);
        }
        else
        {
            Run(sequence);
        }

        Admitted?.Invoke(sequence);
    }

    // A slot for the token of every decoding sequence. True when a sequence lost its blocks for it.
    private bool CoverDecodes()
    {
        bool preempted = false;
        for (int i = 0; i < _running.Count; i++)
        {
            Sequence sequence = _running[i];
            while (sequence.IsDecoding && !blocks.TryCoverLastToken(sequence))
            {
                preempted = true;
                Preempt(LastPreemptible());
            }
        }

        return preempted;
    }

    // Blocks of a prefill for another device are being read: it keeps them.
    private Sequence LastPreemptible()
    {
        int last = _running.Count - 1;
        while (_running[last].Prefill is not null)
        {
            last--;
        }

        return _running[last];
    }

    private void Preempt(Sequence victim)
    {
        StartOver(victim);
        Preemptions++;
    }
}
