using Orleans.Concurrency;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;

namespace ServingGrid.Grains.Status;

/// <summary>
/// Reads this silo's view, which is a fraction of a second old: probes come often, and the answer must not depend on a silo that is frozen.
/// </summary>
[StatelessWorker(1)]
internal sealed class GridHealthGrain(GridView view, ISiloStatusOracle membership) : Grain, IGridHealthGrain
{
    /// <summary>Most devices that a reason names.</summary>
    public const int MostNamed = 4;

    public Task<GridHealth> Get() => Task.FromResult(Read(view));

    /// <summary>A silo that membership has never heard of is not dead: it may have joined a moment ago.</summary>
    public Task<SiloAddress[]> FindDead(SiloAddress[] silos) => Task.FromResult(silos.Where(membership.IsDeadSilo).ToArray());

    /// <summary>How the grid is as far as this view knows.</summary>
    public static GridHealth Read(GridView view)
    {
        ModelView[] models = [.. view.Models.Order(StringComparer.Ordinal).Select(view.Find).OfType<ModelView>()];
        string[] served = [.. models.Where(model => model.Devices.Any(device => Trouble(model, device) is null)).Select(model => model.Model)];
        string? reason = served.Length > 0 ? null
            : models.Length == 0 ? "The grid serves no model."
            : string.Join(' ', models.Select(Explain));
        return new GridHealth { Models = served, Reason = reason };
    }

    private static string Explain(ModelView model)
    {
        string[] troubles = [.. model.Devices.OrderBy(device => device.Identity.Id, StringComparer.Ordinal).Select(device => $"{device.Identity.Id} {Trouble(model, device)}")];
        string named = string.Join(", ", troubles.Take(MostNamed));
        return troubles.Length == 0 ? $"No silo has {model.Model}."
            : $"No device of {model.Model} takes requests: {named}{(troubles.Length > MostNamed ? $" and {troubles.Length - MostNamed} more" : "")}.";
    }

    /// <summary>Why a device takes no requests, after its name; null: it does.</summary>
    private static string? Trouble(ModelView model, DeviceView device) => device.Load.State switch
    {
        _ when !model.IsAlive(device) => "does not report",
        DeviceState.Serving when device.Load.Role.Decodes() => null,
        DeviceState.Serving => "computes prompts only",
        DeviceState.Draining => "is stopping",
        DeviceState.Joining => "is joining",
        DeviceState.Recovering => $"is recovering{Because(device)}",
        _ => $"has failed{Because(device)}",
    };

    private static string Because(DeviceView device) => device.Load.Trouble is { } reason ? $" ({reason})" : "";
}
