using System.Runtime.CompilerServices;

// The launchers that ILGPU generates at run time take our kernels' argument types.
[assembly: InternalsVisibleTo(ILGPU.Context.RuntimeAssemblyName)]

// Tests compile every kernel to PTX and look at single formats; both need the kernels themselves.
[assembly: InternalsVisibleTo("ServingGrid.Kernels.Tests")]
