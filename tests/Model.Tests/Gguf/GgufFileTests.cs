using System.Runtime.InteropServices;
using ServingGrid.Model.Gguf;
using ServingGrid.Testing;

namespace ServingGrid.Model.Tests.Gguf;

public partial class GgufFileTests
{
    [Fact]
    public void Open_BundledModel_HasMetadataAndTensors()
    {
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);

        Assert.Equal(3, file.Header.Version);
        Assert.Equal("llama", file.Metadata.GetString("general.architecture"));
        Assert.Equal(6, file.Metadata.GetInteger("llama.block_count"));
        Assert.Equal(1e-5f, (float)file.Metadata.GetFloat("llama.attention.layer_norm_rms_epsilon")!.Value);
        Assert.False(file.Metadata.GetBool("tokenizer.ggml.add_bos_token"));
        Assert.Equal(2048, file.Metadata.GetStrings("tokenizer.ggml.tokens")!.Length);
        Assert.Equal(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], file.Metadata.GetStrings("tokenizer.ggml.tokens")![..3]);
        Assert.Equal(3, file.Metadata.GetIntegers("tokenizer.ggml.token_type")![0]);
        TensorData embeddings = file.Tensors["token_embd.weight"];
        Assert.Equal((2048, 192, GgmlType.Q8_0), (embeddings.Rows, embeddings.Columns, embeddings.Type));
    }

    [Fact]
    public void Get_AbsentKey_IsNull()
    {
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);
        GgufMetadata metadata = file.Metadata;

        Assert.False(metadata.Contains("no.such.key"));
        Assert.Null(metadata.GetString("no.such.key"));
        Assert.Null(metadata.GetInteger("no.such.key"));
        Assert.Null(metadata.GetFloat("no.such.key"));
        Assert.Null(metadata.GetBool("no.such.key"));
        Assert.Null(metadata.GetStrings("no.such.key"));
        Assert.Null(metadata.GetFloats("no.such.key"));
        Assert.Null(metadata.GetIntegers("no.such.key"));
    }

    [Fact]
    public void Get_KeyOfAnotherType_ThrowsOneSentenceThatNamesFileKeyAndOffset()
    {
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);

        var e = Assert.Throws<GgufException>(() => file.Metadata.GetInteger("general.architecture"));

        Assert.Matches(@"^\S+grid-tiny\.gguf: key 'general\.architecture', offset \d+: an integer is needed but the file has String\.$", e.Message);
    }

    [Fact]
    public void Parse_HeaderBytesAlone_EqualsTheFilesHeader()
    {
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);

        GgufHeader header = GgufHeader.Parse(file.Header.Bytes.Span, "fetched");

        Assert.Equal(file.Header.Tensors.Select(t => (t.Name, t.Offset, t.Shape)), header.Tensors.Select(t => (t.Name, t.Offset, t.Shape)));
        Assert.Equal(file.Metadata.Keys.Order(), header.Metadata.Keys.Order());
        Assert.Equal(file.Metadata.GetStrings("tokenizer.ggml.merges"), header.Metadata.GetStrings("tokenizer.ggml.merges"));
        Assert.True(header.Bytes.Span.SequenceEqual(file.Header.Bytes.Span));
    }

    [Fact]
    public void DropPages_Tensor_ReadsTheSameAfterwards()
    {
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);
        TensorData tensor = file.Tensors["token_embd.weight"];
        byte[] before = tensor.Row(1000).ToArray();

        file.DropPages(tensor);

        Assert.Equal(before, tensor.Row(1000).ToArray());
        Assert.Throws<ArgumentException>(() => file.DropPages(TensorData.FromFloats("other", 1, 1, [1f])));
    }

    /// <summary>Locked pages, as those of a process that has called mlockall(2), are not given back: the system refuses, and the tensor is read as before.</summary>
    [Fact]
    public void DropPages_SystemThatRefuses_LoadsAllTheSame()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "pages are given back on Linux only");
        using GgufFile file = GgufFile.Open(ModelFiles.Bundled);
        TensorData tensor = file.Tensors["token_embd.weight"];
        byte[] before = tensor.Row(1000).ToArray();
        nint page = (tensor.Address + Environment.SystemPageSize - 1) / Environment.SystemPageSize * Environment.SystemPageSize;
        Assert.SkipUnless(Lock(page, (nuint)Environment.SystemPageSize) == 0, "this process may not lock memory");

        Assert.False(file.DropPages(tensor));
        tensor.DropPages();

        Assert.Equal(before, tensor.Row(1000).ToArray());
        Assert.True(file.DropPages(file.Tensors.Values.First(t => t.ByteLength > 4 * Environment.SystemPageSize && t != tensor)));
    }

    [Fact]
    public void Open_AbsentFile_ThrowsGgufException()
    {
        var e = Assert.Throws<GgufException>(() => GgufFile.Open("/no/such/file.gguf"));
        Assert.StartsWith("/no/such/file.gguf: the file cannot be opened: ", e.Message);
    }

    // Undone when the file is unmapped.
    [LibraryImport("libc", EntryPoint = "mlock")]
    private static partial int Lock(nint address, nuint length);
}
