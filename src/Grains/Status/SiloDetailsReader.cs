using ServingGrid.Client;
using ServingGrid.Engine;
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
        EngineStatus engine = device.Worker.Engine.Status;
        ModelView? model = view.Find(device.Identity.Model.Name);
        return new SiloDetails
        {
            CachedBlocks = engine.CachedBlocks,
            ViewAge = model is null || model.Age == TimeSpan.MaxValue ? null : Math.Round(model.Age.TotalSeconds, 3),
            ViewIsFresh = model is { IsFresh: true },
            ViewDevices = model?.Devices.Count ?? 0,
            ViewBlocks = model?.BlockCount ?? 0,
            RequestCount = requests.Count,
            Requests = requests.List(),
            Counters = counters.Read(),
            Engine = new EngineTroubles
            {
                FailedSteps = engine.FailedSteps,
                TransientFailures = engine.TransientFailures,
                BlamedSequences = engine.BlamedSequences,
                Recoveries = engine.Recoveries,
                LastRecoverySeconds = engine.LastRecoverySeconds,
                LastFailure = engine.LastFailure,
            },
        };
    }
}
