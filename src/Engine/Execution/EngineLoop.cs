using Microsoft.Extensions.Logging;
using ServingGrid.Engine.Scheduling;

namespace ServingGrid.Engine.Execution;

/// <summary>
/// An engine's thread: commands, steps, sleep; and what becomes of an exception that no sequence is to blame for. See ADR 9.
/// </summary>
internal sealed class EngineLoop(
    EngineCore core, CommandQueue commands, EngineLife life, OutputSignal outputs, FailureBudget budget, TimeProvider time, ILogger logger)
{
    // Between two attempts to come back; a device that computes is back at the first.
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(100);
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<EngineException> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _stop;

    /// <summary>Ends when a drain was asked for and the last sequence has ended, or with the engine.</summary>
    public Task Drained => _drained.Task;

    /// <summary>Ends when the thread touches nothing any longer.</summary>
    public Task Ended => _ended.Task;

    /// <inheritdoc cref="InferenceEngine.Lost"/>
    public Task<EngineException> Lost => _lost.Task;

    /// <summary>Asks for the end after the step in progress. Any thread.</summary>
    public void Stop() => commands.TryPost(() => _stop = true);

    /// <summary>Runs until the engine is stopped or lost. Once, on the engine's thread.</summary>
    public void Run()
    {
        EngineException reason = new(EngineFailure.Stopped, "the engine was stopped");
        try
        {
            reason = Serve() ?? reason;
        }
        catch (Exception e)
        {
            // To give up the sequences failed too: there is nothing left to come back with.
            reason = Lose(e);
        }
        finally
        {
            End(reason);
        }
    }

    /// <summary>Null: stopped. Otherwise what the engine is lost by.</summary>
    private EngineException? Serve()
    {
        while (true)
        {
            try
            {
                if (!Turn())
                {
                    return null;
                }
            }
            catch (Exception e)
            {
                if (Recover(e) is { } lost)
                {
                    return lost;
                }
            }
        }
    }

    /// <summary>Commands, a step, or sleep. False when the engine is to stop.</summary>
    private bool Turn()
    {
        commands.RunAll();
        if (_stop)
        {
            return false;
        }

        // What a command has ended does not wait for the step.
        Raise();
        bool worked = core.TryStep();
        Raise();
        core.Report();
        if (life.Health == EngineHealth.Draining && commands.IsEmpty && core.Ledger.Live.Count == 0)
        {
            _drained.TrySetResult();
        }

        if (!worked)
        {
            commands.Wait(core.UntilNextDeadline);
        }

        return true;
    }

    /// <summary>
    /// Gives up the sequences and all that the cache holds, and serves again if the device computes. Null: it does, or the engine is to
    /// stop. Otherwise what it is lost by.
    /// </summary>
    private EngineException? Recover(Exception failure)
    {
        long start = time.GetTimestamp();
        while (failure is not DeviceFault { IsLost: true } && budget.TrySpend())
        {
            core.Statistics.NoteFailure(failure.Message);
            life.BeginRecovery();
            EngineLog.Recovering(logger, failure, core.DeviceName, core.Ledger.Live.Count);
            core.GiveUp(new EngineException(
                EngineFailure.DeviceFailed, $"the device failed, and serves again soon: {failure.Message}", failure));
            try
            {
                commands.RunAll();
                Raise();
                core.Report();
                core.Verify(failure);
            }
            catch (Exception e)
            {
                failure = e;
                Pause();
                if (_stop)
                {
                    return null;
                }

                continue;
            }

            double seconds = time.GetElapsedTime(start).TotalSeconds;
            core.Statistics.CountRecovery(seconds);
            life.EndRecovery();
            EngineLog.Recovered(logger, core.DeviceName, seconds * 1000);
            return null;
        }

        return Lose(failure);
    }

    private void Pause()
    {
        long end = time.TimestampAfter(RetryDelay);
        while (!_stop && time.Until(end) is { } left && left > TimeSpan.Zero)
        {
            commands.Wait(left);
            RunEach();
        }
    }

    private EngineException Lose(Exception failure)
    {
        EngineLog.Lost(logger, failure, core.DeviceName, failure.Message);
        life.Fail(failure.Message);
        core.Statistics.NoteFailure(failure.Message);
        return new EngineException(EngineFailure.DeviceFailed, $"the device is out of service: {failure.Message}", failure);
    }

    /// <summary>Every accepted sequence and every command gets its answer, whatever is thrown on the way.</summary>
    private void End(EngineException reason)
    {
        life.Stop();
        commands.Close();
        RunEach();
        try
        {
            core.FailAll(reason);
        }
        catch (Exception e)
        {
            EngineLog.CommandThrew(logger, e, core.DeviceName);
        }

        Raise();
        _drained.TrySetResult();
        if (life.Health == EngineHealth.Failed)
        {
            _lost.TrySetResult(reason);
        }

        _ended.TrySetResult();
    }

    private void RunEach()
    {
        while (!commands.IsEmpty)
        {
            try
            {
                commands.RunAll();
            }
            catch (Exception e)
            {
                EngineLog.CommandThrew(logger, e, core.DeviceName);
            }
        }
    }

    private void Raise()
    {
        try
        {
            outputs.Raise();
        }
        catch (Exception e)
        {
            EngineLog.ListenerThrew(logger, e, core.DeviceName);
        }
    }
}
