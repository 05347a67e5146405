using ServingGrid.Kernels.Tests.Suite;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Kernels.Tests;

/// <summary>The suite holds for the plain reference itself: what it asks beyond agreement (layout, invariance) is true of it.</summary>
public sealed class ReferenceDeviceTests : DeviceSuite
{
    protected override Device CreateDevice() => new ReferenceDevice();

    protected override bool SmallShapesOnly => true;

    protected override double ProductTolerance(GgmlType type) => 0;
}
