using System.Buffers.Binary;
using System.Security.Cryptography;
using ServingGrid.Model.Gguf;
using ServingGrid.Model.Loading;

namespace ServingGrid.Model;

/// <summary>A model that ServingGrid can run, opened from a GGUF file: its configuration and its weights as they lie in the file.</summary>
/// <remarks>
/// Safe to use from any thread. <see cref="Dispose"/> unmaps the file, after which <see cref="Weights"/> must not be read; keep
/// it open while a device loads from it. See <see cref="GgufFile"/> on replacing files that are open.
/// </remarks>
public sealed class ModelFile : IDisposable
{
    private const int SampleBytes = 4096;

    private readonly GgufFile _file;

    private ModelFile(GgufFile file)
    {
        _file = file;
        Config = ConfigReader.Read(file);
        Weights = WeightsReader.Read(file, Config);
        Fingerprint = ComputeFingerprint(file);
    }

    public string Path => _file.Path;

    public ModelConfig Config { get; }

    public ModelWeights Weights { get; }

    public GgufMetadata Metadata => _file.Metadata;

    /// <summary>The file's header: all that a client needs for tokenizer and chat template. Does not need the file to stay open.</summary>
    public GgufHeader Header => _file.Header;

    /// <summary>
    /// SHA-256, in lower-case hexadecimal, over the header, the total length of the tensors' data and the first 4 KiB of each
    /// tensor: equal for equal files, quick for files of any size, and different for two fine-tunes of the same model.
    /// </summary>
    public string Fingerprint { get; }

    /// <summary>Size of the file in bytes.</summary>
    public long Length => _file.Length;

    /// <summary>Opens and checks a model.</summary>
    /// <exception cref="GgufException">The file cannot be read, or is truncated, corrupt or unsupported.</exception>
    public static ModelFile Open(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new ModelFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="GgufFile.DropPages"/>
    public bool DropPages(TensorData tensor) => _file.DropPages(tensor);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static string ComputeFingerprint(GgufFile file)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(file.Header.Bytes.Span);
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, file.Tensors.Values.Sum(tensor => tensor.ByteLength));
        hash.AppendData(length);
        foreach (GgufTensorInfo info in file.Header.Tensors)
        {
            ReadOnlySpan<byte> row = file.Tensors[info.Name].Row(0);
            hash.AppendData(row[..Math.Min(row.Length, SampleBytes)]);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
