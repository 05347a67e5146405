using ServingGrid.Model.Gguf;
using ServingGrid.Testing.Reference;

namespace ServingGrid.Kernels.Tests.Suite;

/// <summary>
/// What every device must do, compared with <see cref="ReferenceDevice"/>: sealed once for each device. Errors are relative,
/// ‖actual − expected‖ / ‖expected‖ over a whole tensor, against the tolerances that the sealed class states.
/// </summary>
public abstract partial class DeviceSuite : IDisposable
{
    private readonly ReferenceDevice _reference = new();
    private Device? _device;

    /// <summary>The device under test; a suite whose device is absent here skips with the reason.</summary>
    protected abstract Device CreateDevice();

    /// <summary>Allowed relative error of a matrix product: F32 devices round, others quantise activations too.</summary>
    protected abstract double ProductTolerance(GgmlType type);

    /// <summary>Allowed relative error of everything that is computed in F32 (norms, RoPE, attention).</summary>
    protected virtual double ArithmeticTolerance => 2e-5;

    /// <summary>Slow devices (a GPU's kernels interpreted on a CPU) take the smaller shapes only.</summary>
    protected virtual bool SmallShapesOnly => false;

    /// <summary>False for a device that costs so much to open that its tests share one: the sealed class then keeps it.</summary>
    protected virtual bool DisposeDevice => true;

    protected Device Device => _device ??= CreateDevice();

    protected Device Reference => _reference;

    public void Dispose()
    {
        if (DisposeDevice)
        {
            _device?.Dispose();
        }

        GC.SuppressFinalize(this);
    }

    public static TheoryData<GgmlType> AllTypes => [.. Enum.GetValues<GgmlType>()];

    /// <summary>Runs the same operations on the reference and on the device under test and returns both results.</summary>
    private (float[] Expected, float[] Actual) OnBoth(Func<Device, float[]> run) => (run(Reference), run(Device));

    private static void AssertClose((float[] Expected, float[] Actual) results, double tolerance, string what)
    {
        double error = Numbers.RelativeError(results.Expected, results.Actual);
        Assert.True(error <= tolerance, $"{what}: relative error {error:E2} exceeds {tolerance:E2}");
    }

    private static Tensor Filled(Device device, int rows, int columns, int seed, float scale = 1f)
    {
        Tensor tensor = device.AllocateTensor(rows, columns);
        device.Write(tensor, 0, rows, Numbers.Normal(seed, rows * columns, scale));
        return tensor;
    }

    private static float[] ReadAll(Device device, Tensor tensor, int rows)
    {
        float[] values = new float[rows * tensor.Columns];
        device.Read(tensor, 0, rows, values);
        return values;
    }

    /// <summary>A batch of <paramref name="rows"/> rows of one sequence from position 0: for operations that ignore the cache.</summary>
    private static StepBatch Rows(int rows, int vocabulary = 64)
    {
        var batch = new StepBatch(rows, 1);
        batch.AddSequence([.. Enumerable.Range(0, rows).Select(i => (i * 7 + 3) % vocabulary)], 0, [.. Enumerable.Range(0, rows / 32 + 1)], 32, rows);
        return batch;
    }
}
