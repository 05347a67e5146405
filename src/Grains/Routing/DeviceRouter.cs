using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Grid;

namespace ServingGrid.Grains.Routing;

/// <summary>What is to be placed.</summary>
/// <param name="Model">Its model.</param>
/// <param name="Tokens">Prompt tokens.</param>
/// <param name="BlockHashes">Low 8 bytes of the hashes of its full blocks.</param>
/// <param name="Avoid">Devices to take only if there is no other.</param>
public sealed record RoutingQuery(string Model, int Tokens, ulong[] BlockHashes, IReadOnlyCollection<string> Avoid)
{
    /// <summary>
    /// The same blocks as devices of further classes of arithmetic name them: a device knows them by the names of its class alone.
    /// </summary>
    public IReadOnlyList<ulong[]> OtherHashes { get; init; } = [];

    /// <summary>The class that the device must be of; null: any.</summary>
    public string? Numerics { get; init; }
}

/// <summary>
/// The one component that chooses devices: decode devices for requests and prefill devices for prompts. Reads the
/// <see cref="GridView"/>, makes no call, does not throw. Thread-safe.
/// </summary>
public sealed class DeviceRouter(GridView view, IRoutingPolicy policy, TimeProvider time, ILogger<DeviceRouter> log)
{
    private static readonly PowerOfTwoPolicy Fallback = new();

    private readonly Random _random = Random.Shared;

    /// <summary>A device that can decode the request, which counts as sent there; or null when this silo knows of none.</summary>
    public DeviceView? ChooseDecode(RoutingQuery query, Func<DeviceView, bool> isReachable)
    {
        (DeviceView? device, int cached) = Choose(query, "decode", device => device.Load.Role.Decodes() && isReachable(device));
        if (device is not null)
        {
            view.Find(query.Model)?.NoteSent(device.Identity.Id, query.Tokens - cached);
        }

        return device;
    }

    /// <summary>
    /// A device that can prefill for others with the prompt tokens that its cache holds, or null. Whether it gets the prompt is decided
    /// afterwards: see <see cref="ModelView.NoteSent"/>.
    /// </summary>
    public (DeviceView? Device, int CachedTokens) ChoosePrefill(RoutingQuery query, Func<DeviceView, bool> isReachable) =>
        Choose(query, "prefill", device => device.Load.Role.Prefills() && isReachable(device));

    private (DeviceView? Device, int CachedTokens) Choose(RoutingQuery query, string stage, Func<DeviceView, bool> canTake)
    {
        long start = time.GetTimestamp();
        if (view.Find(query.Model) is not { } model)
        {
            return default;
        }

        (IReadOnlyList<DeviceView> all, int[] matched) = model.Match(query.BlockHashes, query.OtherHashes);
        List<DeviceView> devices =
        [
            .. all.Where(device => device.Load.State == DeviceState.Serving
                && (query.Numerics is null || device.Identity.Numerics == query.Numerics) && canTake(device)),
        ];
        Prefer(devices, device => !query.Avoid.Contains(device.Identity.Id));
        Prefer(devices, model.IsAlive);
        if (devices.Count == 0)
        {
            return default;
        }

        bool trusted = model.IsFresh;
        if (!trusted)
        {
            GridMetrics.RouterFallbacks.Add(1, new("model_name", query.Model), new("stage", stage));
            log.ViewTooOld(query.Model, model.Age.TotalSeconds);
        }

        int blockSize = devices[0].Identity.Model.BlockSize;
        Candidate[] candidates = [.. devices.Select(device => new Candidate(
            device.Identity.Id,
            Math.Min(matched[device.Slot] * blockSize, query.Tokens),
            device.Backlog.All,
            device.Requests,
            device.HeldBlocks,
            device.Load.TotalBlocks))];
        int choice = (trusted ? policy : Fallback).Choose(candidates, new RoutingRequest(query.Tokens, blockSize), _random);
        GridMetrics.RouterDecisionSeconds.Record(time.GetElapsedTime(start).TotalSeconds, new("model_name", query.Model), new("stage", stage));
        return (devices[choice], candidates[choice].CachedTokens);
    }

    /// <summary>Keeps the devices that satisfy a wish, unless none does.</summary>
    private static void Prefer(List<DeviceView> devices, Predicate<DeviceView> wish)
    {
        if (devices.Exists(wish))
        {
            devices.RemoveAll(device => !wish(device));
        }
    }
}
