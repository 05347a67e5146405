namespace ServingGrid.Grains.Workers;

/// <summary>Tells the log when a worker's warm-up fails: what stands in its way would stand in that of requests.</summary>
internal static class WarmUpWatch
{
    /// <summary>Ends with the warm-up, without its exception.</summary>
    public static async Task Run(Task<bool> warmUp, string device, ILogger log)
    {
        try
        {
            await warmUp;
        }
        catch (Exception exception)
        {
            log.WarmUpFailed(device, exception.Message);
        }
    }
}
