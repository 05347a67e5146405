using ServingGrid.Grains.Diagnostics;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Routing;

namespace ServingGrid.Grains.Disaggregation;

/// <summary>The decode device that asks.</summary>
/// <param name="Device">What it is.</param>
/// <param name="Load">How busy it is now.</param>
/// <param name="BytesPerToken">KV of a token, all layers.</param>
/// <param name="ChunkTokens">Most tokens of a step: the last of them are sent after the prompt was computed.</param>
public sealed record DecodeSite(DeviceIdentity Device, DeviceLoad Load, double BytesPerToken, int ChunkTokens);

/// <summary>A prefill device that was chosen: <see cref="PrefillBreaker.TryEnter"/> has let the prompt in.</summary>
/// <param name="Device">The device.</param>
/// <param name="Expected">What its answer is expected to take.</param>
public sealed record PrefillChoice(DeviceView Device, TimeSpan Expected);

/// <summary>Decides where prompts are computed, counts the decisions, and shows what they were based on. Makes no call. Thread-safe.</summary>
public sealed class HandoverPlanner(DeviceRouter router, GridView view, PrefillBreaker breaker, TransferSpeeds speeds, DisaggregationOptions options)
{
    private readonly Lock _lock = new();
    private HandoverInputs? _last;
    private long _remote;
    private long _local;
    private long _fallback;

    /// <summary>The prefill device for a prompt, none of those in <see cref="RoutingQuery.Avoid"/>; or null: here.</summary>
    public PrefillChoice? Decide(DecodeSite site, RoutingQuery query)
    {
        if (options.Mode == DisaggregationMode.Never || site.Device.TransferEndpoint is null)
        {
            return null;
        }

        if (Find(site, query) is not { Device: { } remote } found)
        {
            // Only a device that should not prefill counts this as a fallback.
            Count(site, site.Load.Role.Prefills() ? Place.Local : Place.LocalFallback, "no-prefill-device");
            return null;
        }

        HandoverInputs inputs = Inputs(site, query, remote, found.CachedTokens);
        bool forced = options.Mode == DisaggregationMode.Always;
        bool pays = (forced || HandoverCost.IsRemoteBetter(inputs)) && breaker.TryEnter(remote.Identity.Id);
        Count(site, pays ? Place.Remote : Place.Local, forced ? "forced" : "cost", inputs);
        return pays ? Chosen(query, remote, inputs) : null;
    }

    /// <summary>Another prefill device for a prompt, after those in <see cref="RoutingQuery.Avoid"/> have failed; null when there is none.</summary>
    public PrefillChoice? DecideAgain(DecodeSite site, RoutingQuery query) =>
        Find(site, query) is { Device: { } remote } found && breaker.TryEnter(remote.Identity.Id)
            ? Chosen(query, remote, Inputs(site, query, remote, found.CachedTokens))
            : null;

    /// <summary>Counts a prompt that is computed here because the devices tried have failed.</summary>
    public void CountFailed(DecodeSite site) => Count(site, Place.LocalFallback, "prefill-failed");

    /// <summary>True for a device whose silo reports to the grid no more, as far as this silo can tell.</summary>
    public bool IsSilent(string model, string device) => view.Find(model) is { } known
        && (known.Devices.FirstOrDefault(other => other.Identity.Id == device) is { } found ? known.IsSilent(found, options.PrefillSilence) : known.IsFresh);

    /// <summary>The counts so far and the inputs of the last decision.</summary>
    public HandoverSnapshot Snapshot()
    {
        speeds.Keep(view.Models.SelectMany(model => view.Find(model)?.Devices ?? []).Select(device => device.Identity.Id).ToHashSet());
        Dictionary<string, PrefillPeer> peers = speeds.Measured.ToDictionary(peer => peer.Key, peer => new PrefillPeer(peer.Key, peer.Value, 0, TimeSpan.Zero));
        foreach ((string device, int failures, TimeSpan outFor) in breaker.Read())
        {
            peers[device] = new PrefillPeer(device, speeds.From(device), failures, outFor);
        }

        lock (_lock)
        {
            return new HandoverSnapshot { Mode = options.Mode, Remote = _remote, Local = _local, LocalFallback = _fallback, LastInputs = _last, Peers = [.. peers.Values] };
        }
    }

    // What a device of another class computes is not what this one would have computed.
    private (DeviceView? Device, int CachedTokens) Find(DecodeSite site, RoutingQuery query) => router.ChoosePrefill(
        query with { Numerics = site.Device.Numerics },
        candidate => candidate.Identity.Id != site.Device.Id
            && !query.Avoid.Contains(candidate.Identity.Id)
            && breaker.Allows(candidate.Identity.Id)
            && view.Find(query.Model)?.IsAlive(candidate) == true);

    // The last token is always computed: its logits choose the next one.
    private HandoverInputs Inputs(DecodeSite site, RoutingQuery query, DeviceView remote, int remoteCached)
    {
        int localCached = view.Find(query.Model)?.CachedTokens(site.Device.Id, query.BlockHashes, site.Device.Model.BlockSize) ?? 0;
        int localTokens = Math.Max(query.Tokens - localCached, 1);
        double speed = speeds.From(remote.Identity.Id);
        return new HandoverInputs(
            localTokens,
            site.Load.PendingPromptTokens,
            site.Load.PrefillTokensPerSecond,
            site.Load.Running,
            Math.Max(query.Tokens - remoteCached, 1),
            remote.Backlog.AheadOf(query.Tokens),
            remote.Load.PrefillTokensPerSecond,
            remote.Load.Role.Decodes() ? remote.Load.Running : 0,
            localTokens * site.BytesPerToken / speed,
            Math.Min(localTokens, site.ChunkTokens) * site.BytesPerToken / speed,
            site.Load.PrefillTokensPerSecondBeside,
            remote.Load.PrefillTokensPerSecondBeside);
    }

    private PrefillChoice Chosen(RoutingQuery query, DeviceView remote, in HandoverInputs inputs)
    {
        view.Find(query.Model)?.NoteSent(remote.Identity.Id, inputs.RemoteTokens);
        return new PrefillChoice(remote, TimeSpan.FromSeconds(HandoverCost.RemoteAlone(inputs)));
    }

    private void Count(DecodeSite site, Place place, string reason, HandoverInputs? inputs = null)
    {
        lock (_lock)
        {
            _remote += place == Place.Remote ? 1 : 0;
            _local += place == Place.Local ? 1 : 0;
            _fallback += place == Place.LocalFallback ? 1 : 0;
            _last = inputs ?? _last;
        }

        string name = place switch
        {
            Place.Remote => "remote",
            Place.Local => "local",
            _ => "local-fallback",
        };
        GridMetrics.PrefillDecisions.Add(1, new("model_name", site.Device.Model.Name), new("place", name), new("reason", reason));
    }

    private enum Place
    {
        Remote,
        Local,
        LocalFallback,
    }
}
