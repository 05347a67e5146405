using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Placement;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Models;

/// <summary>Hands out the model file's header from a silo that has the file.</summary>
[ModelPlacement]
internal sealed class ModelGrain(LocalDevice device, GridView view) : Grain, IModelGrain
{
    public Task<ModelCard> GetCard() => Task.FromResult(Worker().Card with { Numerics = Classes() });

    public Task<ModelHeaderPiece> GetHeaderPiece(long offset)
    {
        Worker worker = Worker();
        if (offset < 0 || offset >= worker.Header.Length)
        {
            throw new GridException(GridError.InvalidRequest, $"The header of {worker.Card.Name} has {worker.Header.Length} bytes; there is none at {offset}.");
        }

        int length = Math.Min(ModelHeader.PieceBytes, worker.Header.Length - (int)offset);
        return Task.FromResult(new ModelHeaderPiece
        {
            Fingerprint = worker.Card.Fingerprint,
            TotalBytes = worker.Header.Length,
            Bytes = worker.Header.Slice((int)offset, length).ToArray(),
        });
    }

    private string[] Classes()
    {
        IReadOnlyList<DeviceView> devices = view.Find(this.GetPrimaryKeyString())?.Devices ?? [];
        return
        [
            .. devices.Select(known => known.Identity.Numerics)
                .Append(device.Identity.Numerics)
                .GroupBy(numerics => numerics)
                .OrderByDescending(group => group.Count())
                .ThenBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => group.Key),
        ];
    }

    private Worker Worker()
    {
        string model = this.GetPrimaryKeyString();
        if (device.Serves(model))
        {
            return device.Worker;
        }

        // Placed here for want of a better silo: the next call is to look again. Whether the model exists, the catalog says.
        DeactivateOnIdle();
        throw new GridException(GridError.Unavailable, $"No silo that serves model {model} can be reached.");
    }
}
