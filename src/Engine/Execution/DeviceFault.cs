using ServingGrid.Kernels;

namespace ServingGrid.Engine.Execution;

/// <summary>A step failed, and so did one of the engine's own: no sequence is to blame.</summary>
internal sealed class DeviceFault(Exception step, Exception probe)
    : Exception($"a step failed ({step.Message}), and so did one that is known to be good ({probe.Message})", probe)
{
    /// <summary>The device says itself that more calls cannot mend it.</summary>
    public bool IsLost { get; } = probe is DeviceException;
}
