namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>How large the pieces are that workers come for.</summary>
internal static class WorkSplit
{
    private const int UnitsPerWorker = 8;
    private const long MaxUnitBytes = 512 << 10;

    /// <summary>
    /// Panels of a unit: several units for each worker, so that one that is held up leaves its share to the others, but not so many
    /// that fetching them costs.
    /// </summary>
    public static int PanelsPerUnit(int panels, int workers, long panelBytes)
    {
        if (workers == 1)
        {
            return (int)Math.Clamp(MaxUnitBytes / Math.Max(panelBytes, 1), 1, panels);
        }

        int share = Math.Max(1, panels / (workers * UnitsPerWorker));
        return (int)Math.Clamp(MaxUnitBytes / Math.Max(panelBytes, 1), 1, share);
    }
}
