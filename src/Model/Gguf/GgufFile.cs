using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ServingGrid.Model.Gguf;

/// <summary>A GGUF file, mapped into memory read-only: tensors are read where they lie, page by page as they are touched.</summary>
/// <remarks>
/// Every tensor's extent is checked against the file's length when the file is opened. Somebody who truncates the file
/// afterwards takes mapped pages away from under the process, which the operating system answers by ending it (SIGBUS):
/// replace model files by renaming, never in place.
/// Safe to read from any thread; <see cref="Dispose"/> unmaps, after which no <see cref="TensorData"/> of it may be read.
/// </remarks>
public sealed unsafe partial class GgufFile : IDisposable
{
    private const int AdviseDontNeed = 4;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _base;
    private readonly Dictionary<string, TensorData> _tensors = [];
    private bool _disposed;

    private GgufFile(string path, MemoryMappedFile file, MemoryMappedViewAccessor view, byte* address, long length)
    {
        (Path, Length, _file, _view) = (path, length, file, view);
        _base = address;
        Header = GgufHeader.Parse(new ReadOnlySpan<byte>(address, (int)Math.Min(length, GgufHeader.MaximumBytes)), path);
        AddTensors();
    }

    public string Path { get; }

    /// <summary>Size of the file in bytes.</summary>
    public long Length { get; }

    public GgufHeader Header { get; }

    public GgufMetadata Metadata => Header.Metadata;

    /// <summary>Every tensor by name; those of more than two dimensions as if all but the first were one.</summary>
    public IReadOnlyDictionary<string, TensorData> Tensors => _tensors;

    /// <summary>Maps the file and checks its header and every tensor's extent.</summary>
    /// <exception cref="GgufException">The file cannot be read, or is truncated, corrupt or unsupported.</exception>
    public static GgufFile Open(string path)
    {
        try
        {
            return Map(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GgufException(path, $"the file cannot be opened: {e.Message.TrimEnd('.')}", e);
        }
    }

    /// <summary>
    /// Tells the operating system that the tensor's pages are not needed any more, so that they leave the process's
    /// resident memory. They come back from the file when they are read again.
    /// </summary>
    /// <returns>
    /// False where the system knows no such advice or does not take it (it keeps pages that are locked, for one): nothing has changed then, and the tensor is
    /// as good as before.
    /// </returns>
    public bool DropPages(TensorData tensor)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!ReferenceEquals(tensor.Owner, this))
        {
            throw new ArgumentException($"{tensor.Name} is not a tensor of {Path}", nameof(tensor));
        }

        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        // Only whole pages: the ones at the ends may hold a part of a neighbour.
        long page = Environment.SystemPageSize;
        long start = (tensor.Address + page - 1) / page * page;
        long end = (tensor.Address + tensor.ByteLength) / page * page;
        return end <= start || Advise((nint)start, (nuint)(end - start), AdviseDontNeed) == 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            Release(_file, _view);
        }
    }

    /// <summary>The exception for a tensor of this file that is not what the caller needs.</summary>
    internal GgufException Error(TensorData tensor, string reason) =>
        new(Path, $"tensor '{tensor.Name}', offset {tensor.Address - (nint)_base}: {reason}");

    private static GgufFile Map(string path)
    {
        // Before opening: a named pipe has no length either, and opening one would wait for its writer.
        if (new FileInfo(path).Length == 0)
        {
            throw new GgufException(path, "the file is empty");
        }

        using SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        long length = RandomAccess.GetLength(handle);
        var file = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        MemoryMappedViewAccessor view = file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        byte* address = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref address);
        try
        {
            return new GgufFile(path, file, view, address + view.PointerOffset, length);
        }
        catch
        {
            Release(file, view);
            throw;
        }
    }

    private static void Release(MemoryMappedFile file, MemoryMappedViewAccessor view)
    {
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }

    private void AddTensors()
    {
        long end = 0;
        string previous = "";
        foreach (GgufTensorInfo info in Header.Tensors.OrderBy(t => t.Offset))
        {
            if (info.Offset < end)
            {
                throw Error(info, $"its data overlaps that of '{previous}'");
            }

            if (info.Offset > Length - Header.DataOffset || info.ByteLength > Length - Header.DataOffset - info.Offset)
            {
                throw Error(info, $"its {info.ByteLength} bytes end beyond the file's {Length}");
            }

            if (info.Columns > int.MaxValue || info.Rows > int.MaxValue || info.Type.RowBytes(info.Columns) > int.MaxValue)
            {
                throw Error(info, $"its shape {info.Shape} is too large");
            }

            (end, previous) = (info.Offset + info.ByteLength, info.Name);
            nint address = (nint)(_base + Header.DataOffset + info.Offset);
            _tensors.Add(info.Name, new TensorData(info.Name, info.Type, (int)info.Rows, (int)info.Columns, address, this));
        }
    }

    private GgufException Error(GgufTensorInfo tensor, string reason) =>
        new(Path, $"tensor '{tensor.Name}', offset {(ulong)Header.DataOffset + (ulong)tensor.Offset}: {reason}");

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
