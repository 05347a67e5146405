using ServingGrid.Engine;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Tests.Workers;

public class WorkerOptionsTests
{
    [Theory]
    [InlineData(DeviceRole.Decode, 10)]
    [InlineData(DeviceRole.Prefill, 50)]
    [InlineData(DeviceRole.Both, 50)]
    public void ToEngineOptions_NoMixedStepTarget_FollowsTheRole(DeviceRole role, int milliseconds)
    {
        EngineOptions engine = new WorkerOptions { ModelPath = "model.gguf", Role = role }.ToEngineOptions();

        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), engine.MixedStepTarget);
    }

    [Fact]
    public void ToEngineOptions_MixedStepTarget_IsTaken()
    {
        EngineOptions engine = new WorkerOptions { ModelPath = "model.gguf", Role = DeviceRole.Decode, MixedStepTarget = TimeSpan.FromMilliseconds(7) }.ToEngineOptions();

        Assert.Equal(TimeSpan.FromMilliseconds(7), engine.MixedStepTarget);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(1L << 20, true)]
    public void ToEngineOptions_KvMemory_IsPreparedIfItsSizeWasChosen(long? bytes, bool prepared) =>
        Assert.Equal(prepared, new WorkerOptions { ModelPath = "model.gguf", KvMemoryBytes = bytes }.ToEngineOptions().PrepareKvMemory);

    [Fact]
    public void Validate_MixedStepTargetOfZero_IsRefused()
    {
        var options = new WorkerOptions { ModelPath = "model.gguf", MixedStepTarget = TimeSpan.Zero };

        Assert.Contains("MixedStepTarget", Assert.Throws<StartupException>(options.Validate).Message);
    }
}
