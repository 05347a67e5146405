using ServingGrid.Client.Clustering;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Hosting;

/// <summary>Finds the sentence for the operator in what a start has thrown: Orleans wraps what its participants throw.</summary>
public static class StartupFailure
{
    /// <summary>The sentence, or null for a failure that nobody foresaw.</summary>
    public static string? Find(Exception exception) => exception switch
    {
        StartupException or ClusterStoreException => exception.Message,
        AggregateException several => several.InnerExceptions.Select(Find).FirstOrDefault(sentence => sentence is not null),
        { InnerException: { } inner } => Find(inner),
        _ => null,
    };
}
