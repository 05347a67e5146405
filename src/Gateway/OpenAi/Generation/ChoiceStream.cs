using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ServingGrid.Client;

namespace ServingGrid.Gateway.OpenAi.Generation;

/// <summary>An item of one of the answers.</summary>
internal readonly record struct ChoiceUpdate(int Index, TextUpdate Update);

/// <summary>Runs the requests of a plan side by side and merges their items as they come.</summary>
internal static class ChoiceStream
{
    // A client that reads slowly holds the merging back; what waits behind it is bounded by the length of the answers.
    private const int Capacity = 64;

    /// <summary>
    /// Items of one answer keep their order. The first failure, a cancellation or the early end of the enumeration stops all requests; none
    /// is left running when the enumeration has ended.
    /// </summary>
    public static IAsyncEnumerable<ChoiceUpdate> RunAsync(IGridClient grid, AnswerPlan plan, CancellationToken cancellation) =>
        plan.Requests is [var single] ? RunOneAsync(grid, single, cancellation) : MergeAsync(grid, plan.Requests, cancellation);

    private static async IAsyncEnumerable<ChoiceUpdate> RunOneAsync(
        IGridClient grid, GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (TextUpdate update in grid.GenerateAsync(request, cancellation).WithCancellation(cancellation))
        {
            yield return new ChoiceUpdate(0, update);
        }
    }

    private static async IAsyncEnumerable<ChoiceUpdate> MergeAsync(
        IGridClient grid, IReadOnlyList<GenerateRequest> requests, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var items = Channel.CreateBounded<ChoiceUpdate>(new BoundedChannelOptions(Capacity) { SingleReader = true });
        Task pumps = PumpAllAsync(grid, requests, items.Writer, stop);
        try
        {
            // No token here: the pumps end on it and say so through the channel, in the order of the items.
            await foreach (ChoiceUpdate item in items.Reader.ReadAllAsync(CancellationToken.None))
            {
                yield return item;
            }
        }
        finally
        {
            await stop.CancelAsync();
            await pumps;
        }
    }

    private static async Task PumpAllAsync(
        IGridClient grid, IReadOnlyList<GenerateRequest> requests, ChannelWriter<ChoiceUpdate> items, CancellationTokenSource stop)
    {
        Exception? first = null;
        await Task.WhenAll(requests.Select(async (request, index) =>
        {
            try
            {
                await foreach (TextUpdate update in grid.GenerateAsync(request, stop.Token).WithCancellation(stop.Token))
                {
                    await items.WriteAsync(new ChoiceUpdate(index, update), stop.Token);
                }
            }
            catch (Exception failure)
            {
                // The others fail by our own cancellation: the first failure is the one to report, by the reader of the channel.
                Interlocked.CompareExchange(ref first, failure, null);
                await stop.CancelAsync();
            }
        }));
        items.Complete(first);
    }
}
