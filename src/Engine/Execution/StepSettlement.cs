using Microsoft.Extensions.Logging;
using ServingGrid.Engine.Blocks;
using ServingGrid.Engine.Sampling;
using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// What becomes of a step's sequences once it is computed: blocks that were seen to hold numbers can be found, tokens go out, and what is
/// wrong with one sequence ends that one. Engine's thread.
/// </summary>
internal sealed class StepSettlement(
    StepRunner runner, BlockManager blocks, Scheduler scheduler, SequenceLedger ledger, Handovers handovers, Probe probe, ILogger logger)
{
    /// <summary>What the step has brought each of its sequences.</summary>
    /// <returns>Tokens chosen.</returns>
    public int Settle(StepPlan plan)
    {
        int row = 0;
        int chosen = 0;
        for (int i = 0; i < plan.Work.Count; i++)
        {
            PlannedWork work = plan.Work[i];
            Sequence sequence = work.Sequence;
            if (!runner.HasRow(work))
            {
                sequence.Computed += work.Tokens;
                continue;
            }

            Choice choice = runner.Choices[row++];
            if (choice.Outcome == ChoiceOutcome.NotNumbers)
            {
                NotNumbers(sequence);
                continue;
            }

            sequence.Computed += work.Tokens;
            blocks.OfferFullBlocks(sequence);
            switch (choice.Outcome)
            {
                case ChoiceOutcome.Threw:
                    handovers.Blame(sequence, choice.Error!);
                    break;
                case ChoiceOutcome.NothingAllowed:
                    handovers.Fail(sequence, new EngineException(
                        EngineFailure.InvalidOutput, $"{sequence.Request.Id} forbids every token that the model allows"));
                    break;
                default:
                    chosen += choice.Outcome == ChoiceOutcome.Chosen ? 1 : 0;
                    if (Publish(sequence, choice) is { } error)
                    {
                        handovers.Blame(sequence, error);
                    }

                    break;
            }
        }

        return chosen;
    }

    private Exception? Publish(Sequence sequence, Choice choice)
    {
        try
        {
            sequence.Prefill?.Announce(sequence, runner.BlockSize);
        }
        catch (Exception e)
        {
            return e;
        }

        return choice.Outcome == ChoiceOutcome.Chosen ? ledger.Accept(sequence, choice.Token) : null;
    }

    /// <summary>
    /// Something that a sequence has read is no number, or its own computation comes to none. What it has read is not used again; from the
    /// start, with blocks of its own, a sequence that was only a reader gets the tokens that it would have had. One that comes to the same
    /// end again is to blame.
    /// </summary>
    /// <exception cref="DeviceFault">The device computes no numbers at all.</exception>
    private void NotNumbers(Sequence sequence)
    {
        bool isReader = sequence.SharedBlocks > 0;
        bool isFetched = sequence.Prefill is { HasAnnounced: true };
        blocks.Distrust(sequence);
        if (!isFetched && !sequence.IsSecondTry)
        {
            EngineLog.StartsOver(logger, sequence.Request.Id);
            sequence.IsSecondTry = true;
            scheduler.StartOver(sequence);
            return;
        }

        string message = $"the model's output for {sequence.Request.Id} is not a number";
        probe.Verify(new EngineException(EngineFailure.InvalidOutput, message));

        // Blocks that another device is fetching cannot be computed anew: whoever waits for them asks elsewhere. That is the second try of
        // one that had read its own blocks alone. It is not the device's: prompts that fail anywhere would take it out of the choice.
        handovers.Fail(sequence, new EngineException(
            isReader && !sequence.IsSecondTry ? EngineFailure.DeviceFailed : EngineFailure.InvalidOutput, message));
    }
}
