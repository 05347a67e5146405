namespace ServingGrid.Kernels.Cpu.Operations;

/// <summary>How large the pieces are that workers come for, and in which order they are gone through.</summary>
internal static class WorkSplit
{
    private const int UnitsPerWorker = 8;
    private const long MaxUnitBytes = 512 << 10;
    private const int MaxInterleavedTiles = 4;
    private const int StreamBytes = 4096;

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

    /// <summary>
    /// Panels that all tiles of activations go through before the next panels: all of a unit, or for a few tiles the fewest. Then weights arrive
    /// from memory while all tiles compute, not only the first.
    /// </summary>
    public static int PassPanels(int tiles, int unit, int fewest) => IsInterleaved(tiles) ? fewest : unit;

    /// <summary>How far ahead of the weights that are read memory is asked for more; <paramref name="passBytes"/> are those of a pass.</summary>
    public static nint Ahead(int tiles, long passBytes) => IsInterleaved(tiles) ? (nint)passBytes : StreamBytes;

    private static bool IsInterleaved(int tiles) => tiles is > 1 and <= MaxInterleavedTiles;
}
