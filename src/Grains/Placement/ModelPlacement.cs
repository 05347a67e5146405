using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Placement;

/// <summary>A grain whose key is a model's name lives on a silo that has the model.</summary>
public sealed class ModelPlacement : PlacementStrategy;

/// <summary>Places a grain by <see cref="ModelPlacement"/>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ModelPlacementAttribute() : PlacementAttribute(new ModelPlacement());

/// <summary>Director of <see cref="ModelPlacement"/>.</summary>
internal sealed class ModelDirector(GridView view, LocalDevice local, ILogger<ModelDirector> log) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        string model = target.GrainIdentity.Key.ToString()!;
        SiloAddress[] silos = context.GetCompatibleSilos(target);
        if (local.Serves(model) && silos.Contains(context.LocalSilo))
        {
            return Task.FromResult(context.LocalSilo);
        }

        SiloAddress[] owners = [.. (view.Find(model)?.Devices ?? []).Select(device => device.Identity.Silo).Where(silos.Contains)];
        return Task.FromResult(owners.Length > 0 ? owners[Random.Shared.Next(owners.Length)] : Fallback.Any(silos, model, target, log));
    }
}
