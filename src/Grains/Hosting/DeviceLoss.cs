namespace ServingGrid.Grains.Hosting;

/// <summary>What becomes of a host whose worker's device is lost.</summary>
public enum DeviceLoss
{
    /// <summary>It stays up and opens the device anew: see <see cref="ReopenLostDevice"/>.</summary>
    Reopen,

    /// <summary>It stops, for a supervisor to start another process: see <see cref="EndWhenDeviceIsLost"/>.</summary>
    StopHost,
}
