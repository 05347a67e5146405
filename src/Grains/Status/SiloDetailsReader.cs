using ServingGrid.Client;
using ServingGrid.Grains.Devices;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Status;

/// <summary>What this silo knows of itself. Thread-safe.</summary>
internal sealed class SiloDetailsReader(
    LocalDevice device, GridView view, HandoverPlanner handovers, RequestsInFlight requests, CounterTally counters)
{
    public DeviceDetails Read() => new(ReadSilo(), handovers.Snapshot());

    private SiloDetails ReadSilo()
    {
        ModelView? model = view.Find(device.Identity.Model.Name);
        return new SiloDetails
        {
            CachedBlocks = device.Worker.Engine.Status.CachedBlocks,
            ViewAge = model is null || model.Age == TimeSpan.MaxValue ? null : Math.Round(model.Age.TotalSeconds, 3),
            ViewIsFresh = model is { IsFresh: true },
            ViewDevices = model?.Devices.Count ?? 0,
            ViewBlocks = model?.BlockCount ?? 0,
            RequestCount = requests.Count,
            Requests = requests.List(),
            Counters = counters.Read(),
        };
    }
}
