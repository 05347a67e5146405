using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Grid;

/// <summary>
/// Does one thing at once and then again and again, never twice at a time: a round that takes longer than the period makes the next one
/// later. A round that fails is counted, the first of several also told, and the next one tries anew.
/// </summary>
/// <param name="what">What does not answer when it fails.</param>
/// <param name="period">Time between two rounds.</param>
/// <param name="round">Has deadlines of its own.</param>
/// <param name="time">Clock.</param>
/// <param name="log">Log.</param>
internal sealed class GridLoop(string what, TimeSpan period, Func<CancellationToken, Task> round, TimeProvider time, ILogger log)
{
    private bool _failing;
    private bool _refused;

    /// <summary>Ends when cancelled, without an exception.</summary>
    public async Task Run(CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(period, time);
        try
        {
            do
            {
                await Try(cancellation);
            }
            while (await timer.WaitForNextTickAsync(cancellation));
        }
        catch (Exception) when (cancellation.IsCancellationRequested)
        {
            // Whatever the last round came to.
        }
    }

    /// <summary>One round, whose failure is only told.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task Try(CancellationToken cancellation)
    {
        try
        {
            await round(cancellation);
            _failing = _refused = false;
        }
        catch (Exception exception) when (!cancellation.IsCancellationRequested)
        {
            GridMetrics.ReportFailures.Add(1);
            bool refused = exception is StartupException;
            if (!_failing || (refused && !_refused))
            {
                Tell(exception);
            }

            (_failing, _refused) = (true, refused);
        }
    }

    private void Tell(Exception exception)
    {
        if (exception is StartupException)
        {
            // It would not have started. It has, so it stays, outside the grid: what it computes is still wanted, and an operator has to
            // decide.
            log.DeviceRefused(exception.Message);
        }
        else
        {
            log.NoAnswer(what, exception.Message);
        }
    }
}
