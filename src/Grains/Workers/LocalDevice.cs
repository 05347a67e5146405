using ServingGrid.Engine;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Transfer;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Workers;

/// <summary>This silo's device, as it presents itself to the grid. Thread-safe.</summary>
public sealed class LocalDevice
{
    private volatile bool _draining;
    private volatile bool _admitted;
    private volatile string? _refusal;
    private volatile DeviceIdentity _identity;

    public LocalDevice(Worker worker, ILocalSiloDetails silo, KvReceiver? receiver = null)
    {
        Worker = worker;
        Role = worker.Options.Role;
        Kernels.DeviceInfo device = worker.Engine.Device.Info;
        _identity = new DeviceIdentity
        {
            Id = WorkerMetadata.DeviceId(silo.Name, worker.Options.Device),
            Silo = silo.SiloAddress,
            Hardware = $"{device.Name} ({device.Kernels})",
            Model = worker.Card,
            KvType = worker.Engine.Options.KvType,
            TransferEndpoint = receiver?.LocalEndpoint.ToString(),
            Numerics = worker.Engine.Numerics,
        };
    }

    public Worker Worker { get; }

    /// <summary>What it is. A device that is opened anew may be of another class of arithmetic; all else stays.</summary>
    public DeviceIdentity Identity
    {
        get
        {
            DeviceIdentity identity = _identity;
            string numerics = Worker.Engine.Numerics;
            return identity.Numerics == numerics ? identity : _identity = identity with { Numerics = numerics };
        }
    }

    public DeviceRole Role { get; }

    /// <summary>True while the grid takes it for one of its devices.</summary>
    public bool IsAdmitted => _admitted;

    /// <summary>The grid has accepted the device; until then it takes nothing and hands out nothing of its model.</summary>
    public void Admit()
    {
        _refusal = null;
        _admitted = true;
    }

    /// <summary>
    /// The grid has refused a device that it had accepted: from now on it is outside, as before. What it computes already, it computes to
    /// the end.
    /// </summary>
    /// <param name="reason">Why, as one sentence.</param>
    public void Dismiss(string reason)
    {
        _refusal = reason;
        _admitted = false;
    }

    /// <summary>Takes no new requests from now on.</summary>
    public void StartDraining() => _draining = true;

    /// <summary>True while the grid takes it for a device of <see cref="DeviceIdentity.Model"/>.</summary>
    public bool Serves(string model) => _admitted && Identity.Model.Name == model;

    /// <summary>How busy it is now.</summary>
    public DeviceLoad Load()
    {
        EngineStatus status = Worker.Engine.Status;
        return new DeviceLoad
        {
            Role = Role,
            State = status.Health switch
            {
                EngineHealth.Recovering => _draining ? DeviceState.Draining : DeviceState.Recovering,
                EngineHealth.Serving => _draining ? DeviceState.Draining : _admitted ? DeviceState.Serving : DeviceState.Joining,
                EngineHealth.Draining => DeviceState.Draining,
                _ => DeviceState.Failed,
            },
            Running = status.Running + status.Reserved + status.Pinned,
            Waiting = status.Waiting,
            PendingPromptTokens = status.Backlog.All,
            PendingAheadOf128 = status.Backlog.AheadOf128,
            PendingAheadOf512 = status.Backlog.AheadOf512,
            PendingAheadOf2048 = status.Backlog.AheadOf2048,
            TotalBlocks = status.TotalBlocks,
            FreeBlocks = status.FreeBlocks,
            PrefillTokensPerSecond = status.PrefillTokensPerSecond,
            PrefillTokensPerSecondBeside = status.PrefillTokensPerSecondBeside,
            DecodeStepSeconds = status.DecodeStepSeconds,
            Trouble = Worker.Trouble ?? _refusal,
        };
    }
}

/// <summary>What a silo's Orleans metadata says of its worker.</summary>
internal static class WorkerMetadata
{
    /// <summary>Key of the device's id.</summary>
    public const string Device = "servinggrid.device";

    /// <summary>Key of the name of the model.</summary>
    public const string Model = "servinggrid.model";

    /// <summary>Key of the role that the silo started with.</summary>
    public const string Role = "servinggrid.role";

    public static string DeviceId(string siloName, string device) => $"{siloName}/{DeviceCatalog.Resolve(device)}";
}
