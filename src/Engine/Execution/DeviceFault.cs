using ServingGrid.Kernels;

namespace ServingGrid.Engine.Execution;

/// <summary>Steps fail that no sequence is to blame for.</summary>
internal sealed class DeviceFault : Exception
{
    /// <summary>A step failed, and so did one of the engine's own.</summary>
    public DeviceFault(Exception step, Exception probe)
        : base($"a step failed ({step.Message}), and so did one that is known to be good ({probe.Message})", probe) =>
        IsLost = probe is DeviceException;

    /// <summary>Steps of several sequences fail again and again, those of one do not.</summary>
    public DeviceFault(Exception step)
        : base($"steps of several sequences fail again and again, although each passes alone: {step.Message}", step)
    {
    }

    /// <summary>The device says itself that more calls cannot mend it.</summary>
    public bool IsLost { get; }
}
