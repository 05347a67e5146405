namespace ServingGrid.Grains.Grid;

/// <summary>
/// Which devices may serve a model together: those that read prompts and blocks alike. A mismatch is refused with a sentence when the
/// device joins, instead of showing as a hang or as wrong tokens later. Devices of other arithmetic (<see cref="DeviceIdentity.Numerics"/>)
/// are welcome: they serve requests of their own, and neither blocks nor answers go from one class to another.
/// </summary>
public static class GridAdmission
{
    /// <summary>Why <paramref name="device"/> may not join <paramref name="others"/>, or null.</summary>
    public static string? Refusal(DeviceIdentity device, IEnumerable<DeviceIdentity> others)
    {
        foreach (DeviceIdentity other in others)
        {
            if (other.Id == device.Id)
            {
                continue;
            }

            (string What, object Mine, object Theirs)[] facts =
            [
                ("model fingerprint", device.Model.Fingerprint, other.Model.Fingerprint),
                ("KV block size", device.Model.BlockSize, other.Model.BlockSize),
                ("KV type", device.KvType, other.KvType),
                ("context length", device.Model.ContextLength, other.Model.ContextLength),
            ];
            foreach ((string what, object mine, object theirs) in facts)
            {
                if (!Equals(mine, theirs))
                {
                    return $"{device.Id} may not serve {device.Model.Name} in this grid: its {what} is {mine}, that of {other.Id} is {theirs}.";
                }
            }
        }

        return null;
    }
}
