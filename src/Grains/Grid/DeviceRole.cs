namespace ServingGrid.Grains.Grid;

/// <summary>Which stages of a request a device takes.</summary>
[GenerateSerializer]
public enum DeviceRole
{
    Both,
    Prefill,
    Decode,
}

/// <summary>Questions about a role.</summary>
public static class DeviceRoles
{
    /// <summary>True for a device that generates tokens.</summary>
    public static bool Decodes(this DeviceRole role) => role is DeviceRole.Both or DeviceRole.Decode;

    /// <summary>True for a device that computes prompts for others.</summary>
    public static bool Prefills(this DeviceRole role) => role is DeviceRole.Both or DeviceRole.Prefill;
}
