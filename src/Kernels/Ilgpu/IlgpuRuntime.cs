using System.Diagnostics;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using ServingGrid.Kernels.Cpu.Memory;
using ServingGrid.Kernels.Ilgpu.Programs;
using IlgpuHardware = ILGPU.Runtime.Device;

namespace ServingGrid.Kernels.Ilgpu;

/// <summary>
/// The one owner of a device's Context, Accelerator and streams, through which everything that can fail on the device goes:
/// the first failure takes the device out of service, and every later call says so at once.
/// </summary>
/// <remarks>Thread-safe, except that one thread at a time may use a stream.</remarks>
internal sealed class IlgpuRuntime : IDisposable
{
    private readonly Context _context;
    private readonly Stopwatch _loading = new();
    private readonly Lock _load = new();
    private readonly Lock _launch = new();
    private volatile Exception? _failure;
    private readonly long _mostBytes;
    private long _allocated;
    private long _waits;
    private int _kernels;

    /// <param name="context">Built with <see cref="Configure"/>; owned from here on.</param>
    /// <param name="hardware">A device of that context.</param>
    /// <param name="mostBytes">Most bytes of one allocation, where that is not for the driver to say.</param>
    public IlgpuRuntime(Context context, IlgpuHardware hardware, long? mostBytes = null)
    {
        _context = context;
        _mostBytes = mostBytes ?? MostBytes(hardware);
        try
        {
            Accelerator = hardware.CreateAccelerator(context);
            Compute = Accelerator.CreateStream();
            Transfer = Accelerator.CreateStream();
        }
        catch (Exception e) when (e is AcceleratorException or NotSupportedException)
        {
            Accelerator?.Dispose();
            context.Dispose();
            throw new DeviceException($"{hardware.Name} cannot be opened: {Reason(e)}", e);
        }

        Catalog = new KernelCatalog(Accelerator.AcceleratorType switch
        {
            AcceleratorType.Cuda => typeof(CudaPlatform),
            AcceleratorType.CPU when Accelerator.WarpSize == Lanes.Count => typeof(WarpPlatform),
            _ => typeof(PortablePlatform),
        });
    }

    public Accelerator Accelerator { get; }

    /// <summary>Steps, in order; the engine's thread alone.</summary>
    public AcceleratorStream Compute { get; }

    /// <summary>KV transfer; whoever holds the transfer lane.</summary>
    public AcceleratorStream Transfer { get; }

    public KernelCatalog Catalog { get; }

    /// <summary>The device is out of service.</summary>
    public bool HasFailed => _failure is not null;

    /// <summary>What was compiled so far, for the log: "PTX SM_90, 12 kernels in 0.84 s".</summary>
    public string Describe()
    {
        string back = Accelerator switch
        {
            CudaAccelerator cuda => $"PTX {cuda.Architecture}",
            { AcceleratorType: AcceleratorType.OpenCL } => "OpenCL C",
            _ => $"CPU accelerator, warps of {Accelerator.WarpSize}",
        };
        lock (_load)
        {
            return FormattableString.Invariant($"{back}, {_kernels} kernels in {_loading.Elapsed.TotalSeconds:F2} s");
        }
    }

    /// <summary>
    /// What computes, for <see cref="NumericsClass"/>: on CUDA with the hardware's generation, whose approximate instructions are its own.
    /// </summary>
    public string Kind => Accelerator switch
    {
        CudaAccelerator cuda => $"cuda-sm{cuda.Architecture.Major}{cuda.Architecture.Minor}",
        CLAccelerator => "opencl",
        _ => "ilgpu-cpu",
    };

    /// <summary>
    /// What turns the kernels into code and may choose their bits. PTX says how each operation rounds, so that CUDA's driver has no say;
    /// OpenCL leaves functions and divisions to the driver's compiler.
    /// </summary>
    public IReadOnlyList<string> Compiler
    {
        get
        {
            string ilgpu = $"ILGPU {typeof(Context).Assembly.GetName().Version}";
            return Accelerator is CLAccelerator { Device: var device }
                ?
                [
                    ilgpu,
                    device.PlatformName,
                    $"{device.PlatformVersion}",
                    device.VendorName,
                    device.Name,
                    $"{device.DeviceVersion}",
                    CLAPI.CurrentAPI.GetDeviceInfo(device.DeviceId, CLDeviceInfoType.CL_DRIVER_VERSION),
                ]
                : [ilgpu];
        }
    }

    /// <summary>What kernels need of a context, whichever devices it has.</summary>
    public static Context.Builder Configure(Context.Builder builder) =>
        builder.EnableAlgorithms().EnableFusedMath().Optimize(OptimizationLevel.O2);

    /// <summary>Bytes that were allocated here and not freed.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocated);

    /// <summary>How often a stream was waited for.</summary>
    public long Waits => Interlocked.Read(ref _waits);

    /// <summary>
    /// Bytes that can still be allocated in one piece: what the driver says on CUDA, and the system on the processor; elsewhere the device's size less what was taken; and on OpenCL not more than the
    /// driver's limit for one allocation, which may be a quarter of the memory.
    /// </summary>
    public long FreeMemoryBytes => Math.Min(_mostBytes, FreeBytes);

    private long FreeBytes => Guard(() => Accelerator switch
    {
        CudaAccelerator cuda => cuda.GetFreeMemory(),
        { AcceleratorType: AcceleratorType.CPU } => MemoryInfo.Read().Available,
        _ => Math.Max(0, Accelerator.MemorySize - AllocatedBytes),
    });

    /// <summary>Compiles and loads a kernel. The delegate is to be kept: ILGPU unloads kernels that nobody holds.</summary>
    /// <exception cref="DeviceException">The device cannot run it.</exception>
    public Action<AcceleratorStream, KernelConfig, T> Load<T>(KernelSource source)
        where T : struct => Load<Action<AcceleratorStream, KernelConfig, T>>(source.Method);

    /// <inheritdoc cref="Load{T}(KernelSource)"/>
    public TDelegate Load<TDelegate>(System.Reflection.MethodInfo method)
        where TDelegate : Delegate
    {
        lock (_load)
        {
            _loading.Start();
            try
            {
                _kernels++;
                return Guard(() => Accelerator.LoadKernel<TDelegate>(method));
            }
            catch (Exception e) when (e is InternalCompilerException or CapabilityNotSupportedException or NotSupportedException)
            {
                throw new DeviceException($"{Accelerator.Name} cannot run the kernel {method.Name}: {e.Message}", e);
            }
            finally
            {
                _loading.Stop();
            }
        }
    }

    /// <summary>A launch with so many elements of group memory (see <see cref="IPlatform.GroupMemory{T}"/>).</summary>
    public KernelConfig Shape<T>(Index3D grid, Index3D group, int groupMemory)
        where T : unmanaged =>
        Catalog.GroupMemoryByLaunch ? new KernelConfig(grid, group, SharedMemoryConfig.RequestDynamic<T>(groupMemory)) : new KernelConfig(grid, group);

    public void Launch<T>(Action<AcceleratorStream, KernelConfig, T> kernel, AcceleratorStream stream, KernelConfig shape, in T arguments)
        where T : struct
    {
        Enter();
        try
        {
            // An OpenCL kernel's arguments are part of the kernel, which steps and transfers share.
            lock (_launch)
            {
                kernel(stream, shape, arguments);
            }
        }
        catch (AcceleratorException e)
        {
            throw Fail(e);
        }
    }

    /// <summary>Uninitialised memory.</summary>
    /// <param name="length">Elements.</param>
    /// <param name="what">What it is for, as a sentence about its size begins.</param>
    /// <exception cref="DeviceException">
    /// There is none, or not in one piece: some drivers accept what is beyond their limit and fail when it is used.
    /// </exception>
    public DeviceBuffer<T> Allocate<T>(long length, string what = "a tensor")
        where T : unmanaged
    {
        long bytes = length * Interop.SizeOf<T>();
        if (bytes > _mostBytes)
        {
            throw new DeviceException($"{what} takes {bytes} bytes, and {Accelerator.Name} gives at most {_mostBytes} in one piece");
        }

        MemoryBuffer1D<T, Stride1D.Dense> buffer = Guard(() => Accelerator.Allocate1D<T>(Math.Max(1, length)));
        Interlocked.Add(ref _allocated, buffer.LengthInBytes);
        return new DeviceBuffer<T>(buffer, () =>
        {
            Free(buffer);
            Interlocked.Add(ref _allocated, -buffer.LengthInBytes);
        });
    }

    /// <summary>
    /// Frees something that was allocated here. Never throws, so that whoever tidies up gets through: a lost device cannot free
    /// what was lost with it, and every later call says that it has failed.
    /// </summary>
    public void Free(IDisposable? resource)
    {
        try
        {
            resource?.Dispose();
        }
        catch (AcceleratorException e)
        {
            _failure ??= e;
        }
    }

    /// <summary>Page-locked host memory, where the device knows such a thing.</summary>
    public PageLockedArray1D<T> AllocateStaging<T>(long length)
        where T : unmanaged => Guard(() => Accelerator.AllocatePageLocked1D<T>(Math.Max(1, length), uninitialized: true));

    /// <summary>Sets memory to zero, in the compute stream's order.</summary>
    public void Clear<T>(ArrayView<T> target)
        where T : unmanaged => Guard(() =>
        {
            target.MemSetToZero(Compute);
            return 0;
        });

    /// <summary>Copies from host memory that stays put until the stream has been waited for.</summary>
    public void UploadAsync<T>(AcceleratorStream stream, ref T source, ArrayView<T> target)
        where T : unmanaged
    {
        Enter();
        try
        {
            target.CopyFromCPUUnsafeAsync(stream, ref source, target.Length);
        }
        catch (AcceleratorException e)
        {
            throw Fail(e);
        }
    }

    /// <inheritdoc cref="UploadAsync{T}"/>
    public void DownloadAsync<T>(AcceleratorStream stream, ArrayView<T> source, ref T target)
        where T : unmanaged
    {
        Enter();
        try
        {
            source.CopyToCPUUnsafeAsync(stream, ref target, source.Length);
        }
        catch (AcceleratorException e)
        {
            throw Fail(e);
        }
    }

    /// <summary>Blocks until everything submitted to the stream is done.</summary>
    public void Wait(AcceleratorStream stream)
    {
        Enter();
        try
        {
            Interlocked.Increment(ref _waits);
            stream.Synchronize();
        }
        catch (AcceleratorException e)
        {
            throw Fail(e);
        }
    }

    /// <summary>Runs something else that may fail on the device.</summary>
    public T Guard<T>(Func<T> action)
    {
        Enter();
        try
        {
            return action();
        }
        catch (AcceleratorException e)
        {
            throw Fail(e);
        }
    }

    /// <summary>What went wrong, in words: OpenCL's exceptions carry a code and no text.</summary>
    public static string Reason(Exception e) => e is CLException cl ? cl.Error.ToString() : e.Message;

    public void Dispose()
    {
        Free(Compute);
        Free(Transfer);
        Free(Accelerator);
        _context.Dispose();
    }

    private static long MostBytes(IlgpuHardware hardware) =>
        hardware is CLDevice cl ? (long)Math.Min(long.MaxValue, cl.GetDeviceInfo<ulong>(CLDeviceInfoType.CL_DEVICE_MAX_MEM_ALLOC_SIZE)) : long.MaxValue;

    private void Enter()
    {
        if (_failure is { } failure)
        {
            throw new DeviceException($"{Accelerator.Name} has failed before: {Reason(failure)}", failure);
        }

        Accelerator.Bind();
    }

    private DeviceException Fail(AcceleratorException e)
    {
        _failure = e;
        return new DeviceException($"{Accelerator.Name} failed: {Reason(e)}", e);
    }
}
