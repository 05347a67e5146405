using ILGPU.Runtime.Cuda;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Ilgpu;

namespace ServingGrid.Benchmarks.Devices;

/// <summary>What a device's hardware can do at most, by its own clocks and widths; 0 where it does not tell.</summary>
/// <param name="Read">Memory bandwidth, 10⁹ bytes per second.</param>
/// <param name="Float">F32 multiply-adds outside tensor cores, 10⁹ operations per second (two for each).</param>
/// <param name="Description">The numbers that the peaks come from, for the report.</param>
internal sealed record HardwarePeaks(double Read, double Float, string Description)
{
    private static readonly HardwarePeaks Unknown = new(0, 0, "");

    /// <summary>One line for the report.</summary>
    public string Limits => FormattableString.Invariant($"{Description}: {Read:F0} GB/s and {Float / 1e3:F1} TFLOP/s in F32 at most");

    public static HardwarePeaks Of(Device device)
    {
        if (device is not IlgpuDevice { Runtime.Accelerator: CudaAccelerator cuda })
        {
            return Unknown;
        }

        // Double data rate: a transfer at both edges of the memory's clock. Clocks are in MHz, the bus in bits.
        double read = 2.0 * cuda.MemoryClockRate * cuda.MemoryBusWidth / 8 / 1e3;
        int lanes = LanesPerMultiprocessor(cuda.Architecture.Major, cuda.Architecture.Minor);
        double flops = 2.0 * lanes * cuda.NumMultiprocessors * cuda.ClockRate / 1e3;
        return new HardwarePeaks(
            read,
            flops,
            $"compute capability {cuda.Architecture.Major}.{cuda.Architecture.Minor}, "
            + $"{cuda.NumMultiprocessors} multiprocessors of {lanes} F32 lanes at {cuda.ClockRate} MHz, "
            + $"memory of {cuda.MemoryBusWidth} bits at {cuda.MemoryClockRate} MHz, L2 cache of {cuda.L2CacheSize >> 20} MiB, "
            + $"driver's CUDA {cuda.DriverVersion.Major}.{cuda.DriverVersion.Minor}");
    }

    // CUDA C++ Programming Guide, "Arithmetic Instructions": F32 multiply-adds per clock cycle and multiprocessor.
    private static int LanesPerMultiprocessor(int major, int minor) => (major, minor) switch
    {
        (5, _) => 128,
        (6, 0) => 64,
        (6, _) => 128,
        (7, _) => 64,
        (8, 0) => 64,
        _ => 128,
    };
}
