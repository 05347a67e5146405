using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests.Support;

/// <summary>The bundled model with its tokenizer, on the processor.</summary>
public sealed class BundledEngine : IAsyncDisposable
{
    private readonly ModelFile _model = ModelFile.Open(ModelFiles.Bundled);
    private readonly CpuDevice _device = CpuDevice.Create(new CpuDeviceOptions { Threads = 1 });

    public BundledEngine()
    {
        Tokenizer = TokenizerFactory.Create(_model.Metadata);
        var options = new EngineOptions { KvBlocks = 64, MaxBatchTokens = 64, MaxSequences = 8, ContextLength = 512 };
        Engine = new InferenceEngine(_model.Config, _model.Weights, _model.Fingerprint, Tokenizer, _device, options);
    }

    public Tokenizer Tokenizer { get; }

    public InferenceEngine Engine { get; }

    /// <summary>A question as the model was trained to see it, answered greedily.</summary>
    internal SequenceRequest Question(string question, int maxTokens = 200) => EngineRig.Request(
        Tokenizer.Encode($"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n", addSpecial: true, parseSpecial: true), maxTokens);

    internal Task<Generated> AnswerAsync(SequenceRequest request)
    {
        SubmitResult<SequenceHandle> result = Engine.Submit(request);
        Assert.True(result.Refused is null, result.Refused?.Message);
        return EngineRig.ReadAsync(result.Accepted!);
    }

    public async ValueTask DisposeAsync()
    {
        await Engine.CheckIntegrityAsync();
        await Engine.DisposeAsync();
        _device.Dispose();
        _model.Dispose();
    }
}
