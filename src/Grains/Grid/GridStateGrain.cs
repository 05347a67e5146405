namespace ServingGrid.Grains.Grid;

/// <summary>
/// The <see cref="GridState"/> of a model. When its silo dies it starts anew elsewhere with a new epoch, and every device is back with its
/// next report.
/// </summary>
internal sealed class GridStateGrain(ILocalSiloDetails silo, ActiveSilos silos, TimeProvider time, ILogger<GridStateGrain> log)
    : Grain, IGridStateGrain
{
    private GridState _state = null!;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        string model = this.GetPrimaryKeyString();
        _state = new GridState(model, silo.SiloAddress, () => silos.ThatMayServe(model), time, log);
        return Task.CompletedTask;
    }

    public Task<GridUpdate> Exchange(DeviceReport? report, Guid epoch, long version) => Task.FromResult(_state.Exchange(report, epoch, version));

    public Task<DeviceEntry[]> GetDevices() => Task.FromResult(_state.GetDevices());

    public Task Leave(string deviceId)
    {
        _state.Leave(deviceId);
        return Task.CompletedTask;
    }
}
