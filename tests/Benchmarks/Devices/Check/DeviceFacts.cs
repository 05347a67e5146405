using ServingGrid.Kernels;

namespace ServingGrid.Benchmarks.Devices.Check;

/// <summary>Prints what there is and what the device under test says of itself. A program of its own, because a driver may hang.</summary>
internal static class DeviceFacts
{
    public static int Print(string id)
    {
        Console.WriteLine(DeviceCatalog.Print(DeviceCatalog.List(Console.WriteLine)));
        try
        {
            using Device device = DeviceCatalog.Open(id);
            HardwarePeaks peaks = HardwarePeaks.Of(device);
            Console.WriteLine($"{id}: {device.Info.Name}, {device.Info.Kernels}");
            Console.WriteLine(FormattableString.Invariant($"{device.FreeMemoryBytes / (double)(1 << 30):F1} GiB of memory free"));
            if (peaks.Read > 0)
            {
                Console.WriteLine(peaks.Limits);
            }

            return 0;
        }
        catch (DeviceException e)
        {
            Console.WriteLine(e.Message);
            return 1;
        }
    }
}
