using Orleans.Metadata;
using Orleans.Runtime.MembershipService.SiloMetadata;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Placement;

/// <summary>A grain whose key is a device's id lives on the silo that owns the device, if that silo has the grain's role.</summary>
public sealed class DevicePlacement : PlacementStrategy
{
    private const string RoleProperty = "servinggrid.role";

    /// <summary>For the runtime, which fills it from the grain's properties.</summary>
    public DevicePlacement()
    {
    }

    public DevicePlacement(DeviceRole role) => Role = role;

    /// <summary>What the device must be able to do.</summary>
    public DeviceRole Role { get; private set; }

    /// <inheritdoc/>
    public override void Initialize(GrainProperties properties)
    {
        base.Initialize(properties);
        Role = Enum.Parse<DeviceRole>(properties.Properties[RoleProperty]);
    }

    /// <inheritdoc/>
    public override void PopulateGrainProperties(IServiceProvider services, Type grainClass, GrainType grainType, Dictionary<string, string> properties)
    {
        base.PopulateGrainProperties(services, grainClass, grainType, properties);
        properties[RoleProperty] = Role.ToString();
    }
}

/// <summary>Places a grain by <see cref="DevicePlacement"/>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class DevicePlacementAttribute(DeviceRole role) : PlacementAttribute(new DevicePlacement(role));

/// <summary>
/// Director of <see cref="DevicePlacement"/>: the silo whose metadata names the device. The local silo is judged by its own
/// configuration, because the metadata cache may lag behind it.
/// </summary>
internal sealed class DeviceDirector(ISiloMetadataCache metadata, LocalDevice local, GridView view, ILogger<DeviceDirector> log) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        string deviceId = target.GrainIdentity.Key.ToString()!;
        SiloAddress[] silos = context.GetCompatibleSilos(target);
        SiloAddress? owner = Array.Find(silos, silo => Owns(silo, deviceId, context.LocalSilo))
            ?? (view.FindDevice(deviceId)?.Identity.Silo is { } known && silos.Contains(known) ? known : null);
        return Task.FromResult(owner ?? Fallback.Any(silos, deviceId, target, log));
    }

    private bool Owns(SiloAddress silo, string deviceId, SiloAddress self) => silo.Equals(self)
        ? local.Identity.Id == deviceId
        : metadata.GetSiloMetadata(silo).Metadata.TryGetValue(WorkerMetadata.Device, out string? id) && id == deviceId;
}
