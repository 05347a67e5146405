using ServingGrid.Client;
using ServingGrid.Grains.Devices;
using ServingGrid.Grains.Grid;

namespace ServingGrid.Grains.Status;

/// <summary>
/// Asks the catalog, the state of each model and every silo. Where catalog or state do not answer, the view of this grain's silo does; a
/// silo that does not answer is shown as it last reported.
/// </summary>
internal sealed class GridStatusGrain(GridView view, TimeProvider time) : Grain, IGridStatusGrain
{
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private GridStatus? _last;
    private long _lastAt;

    public async Task<GridStatus> Get()
    {
        // Calls wait for each other, so those that came meanwhile share one answer.
        if (_last is null || time.GetElapsedTime(_lastAt) > MaxAge)
        {
            _last = await Collect();
            _lastAt = time.GetTimestamp();
        }

        return _last;
    }

    private async Task<GridStatus> Collect()
    {
        IModelCatalogGrain catalog = GrainFactory.GetGrain<IModelCatalogGrain>(IModelCatalogGrain.Key);
        IReadOnlyList<ModelCard> models = await Ask(catalog.GetModels()) ?? view.Cards;
        DeviceEntry[][] devices = await Task.WhenAll(models.Select(async model =>
            await Ask(GrainFactory.GetGrain<IGridStateGrain>(model.Name).GetDevices()) ?? view.Find(model.Name)?.Entries() ?? []));
        return new GridStatus
        {
            At = time.GetUtcNow(),
            Models = models,
            Devices = await Task.WhenAll(devices.SelectMany(entries => entries.OrderBy(entry => entry.Device.Id, StringComparer.Ordinal)).Select(Describe)),
        };
    }

    private async Task<DeviceStatus> Describe(DeviceEntry entry)
    {
        (DeviceIdentity device, DeviceLoad load) = (entry.Device, entry.Load);
        IDeviceGrain grain = load.Role.Decodes()
            ? GrainFactory.GetGrain<IDecodeGrain>(device.Id)
            : GrainFactory.GetGrain<IPrefillGrain>(device.Id);
        DeviceDetails? details = await Ask(grain.GetDetails());
        return new DeviceStatus
        {
            Id = device.Id,
            Silo = device.Silo.Endpoint.ToString(),
            Model = device.Model.Name,
            Role = Text(load.Role),
            State = Text(load.State),
            Trouble = load.Trouble,
            Hardware = device.Hardware,
            KvType = Text(device.KvType),
            Numerics = device.Numerics,
            TransferEndpoint = device.TransferEndpoint,
            ReportAge = Math.Round(entry.Age.TotalSeconds, 3),
            Running = load.Running,
            Waiting = load.Waiting,
            PendingPromptTokens = load.PendingPromptTokens,
            TotalBlocks = load.TotalBlocks,
            FreeBlocks = load.FreeBlocks,
            KvUsage = load.TotalBlocks == 0 ? 0 : Math.Round(1 - ((double)load.FreeBlocks / load.TotalBlocks), 4),
            PrefillTokensPerSecond = Math.Round(load.PrefillTokensPerSecond, 1),
            DecodeStepSeconds = Math.Round(load.DecodeStepSeconds, 6),
            Details = details?.Silo,
            Handovers = details?.Handovers.ToStatus(),
        };
    }

    /// <summary>The answer, or null when there is none in time.</summary>
    private async Task<T?> Ask<T>(Task<T> answer)
        where T : class
    {
        try
        {
            return await answer.WaitAsync(Patience, time);
        }
        catch (Exception failure) when (failure is GridException or OrleansException or TimeoutException)
        {
            return null;
        }
    }

    private static string Text(Enum value) => value.ToString().ToLowerInvariant();
}
