namespace ServingGrid.Grains.Disaggregation;

/// <summary>
/// Waits for a prefill as long as its silo shows signs of life: a call to a frozen silo fails only when the membership has found out, and a
/// request must not wait for that.
/// </summary>
internal static class PrefillWatch
{
    /// <summary>Time between two looks at the silo.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(250);

    /// <summary>What <paramref name="prefill"/> gives, or throws.</summary>
    /// <param name="prefill">Goes on, unobserved, when it is given up.</param>
    /// <param name="isSilent">True when its silo reports no more.</param>
    /// <param name="timeout">Longest wait in any case.</param>
    /// <param name="time">Clock.</param>
    /// <param name="cancellation">The request's end.</param>
    /// <exception cref="TimeoutException">The silo is silent, or the time is over.</exception>
    public static async Task<T> WaitAsync<T>(Task<T> prefill, Func<bool> isSilent, TimeSpan timeout, TimeProvider time, CancellationToken cancellation)
    {
        long start = time.GetTimestamp();
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        while (!prefill.IsCompleted)
        {
            await Task.WhenAny(prefill, Task.Delay(Period, time, done.Token));
            cancellation.ThrowIfCancellationRequested();
            if (!prefill.IsCompleted && isSilent())
            {
                throw new TimeoutException("its silo reports no more");
            }

            if (!prefill.IsCompleted && time.GetElapsedTime(start) >= timeout)
            {
                throw new TimeoutException($"no answer within {timeout.TotalSeconds:0.#} s");
            }
        }

        // Ends the delay that is left over.
        await done.CancelAsync();
        return await prefill;
    }
}
