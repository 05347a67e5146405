using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class GridAdmissionTests
{
    [Fact]
    public void Refusal_SameModel_Null() => Assert.Null(GridAdmission.Refusal(FakeDevices.Identity(2), [FakeDevices.Identity(1)]));

    [Fact]
    public void Refusal_OtherClassOfArithmetic_Null() =>
        Assert.Null(GridAdmission.Refusal(FakeDevices.Identity(2) with { Numerics = "x" }, [FakeDevices.Identity(1)]));

    [Fact]
    public void Refusal_OwnEarlierReport_Null() => Assert.Null(GridAdmission.Refusal(FakeDevices.Identity(1, "new"), [FakeDevices.Identity(1, "old")]));

    [Fact]
    public void Refusal_Mismatch_SaysWhatDiffers()
    {
        DeviceIdentity[] others = [FakeDevices.Identity(1)];

        Assert.Contains("model fingerprint is g, that of silo1/cpu is f", GridAdmission.Refusal(FakeDevices.Identity(2, "g"), others));
        Assert.Contains("KV block size is 16, that of silo1/cpu is 32", GridAdmission.Refusal(FakeDevices.Identity(2, blockSize: 16), others));
        Assert.Contains("KV type is F32, that of silo1/cpu is F16", GridAdmission.Refusal(FakeDevices.Identity(2, kvType: KvType.F32), others));
    }
}
