using ServingGrid.Engine.Tests.Support;
using ServingGrid.Kernels;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;

namespace ServingGrid.Engine.Tests;

/// <summary>The bundled model, served by an engine on two kinds of device.</summary>
public sealed class DeviceAgreementTests
{
    // Nats between the two most likely tokens. The devices round differently (cpu quantises activations to eight bits, ilgpu-cpu
    // does not), so that only a choice with a margin must be the same; this prompt's answer has it at every token.
    private const float Margin = 0.5f;

    [Fact]
    public async Task GreedyAnswer_OnTheGpuKernelsAndOnTheProcessor_SameTokens()
    {
        const string Question = "What is the capital of France?";
        using ModelFile model = ModelFile.Open(ModelFiles.Bundled);
        Tokenizer tokenizer = TokenizerFactory.Create(model.Metadata);
        int[] prompt = tokenizer.Encode($"<|im_start|>user\n{Question}<|im_end|>\n<|im_start|>assistant\n", addSpecial: true, parseSpecial: true);
        Generated expected = await AnswerAsync(DeviceCatalog.Open("cpu", new CpuDeviceOptions { Threads = 1 }), model, tokenizer, prompt);
        Assert.True(expected.Tokens.Length >= 3, $"too short an answer to compare: {expected.Tokens.Length} tokens");
        Assert.All(expected.Choices, choice => Assert.True(
            choice.Top![0].LogProbability - choice.Top[1].LogProbability > Margin,
            $"the prompt does not suit the test: {choice.Top[0].LogProbability - choice.Top[1].LogProbability} nats between \"{tokenizer.TokenPiece(choice.Top[0].Token)}\" and \"{tokenizer.TokenPiece(choice.Top[1].Token)}\""));

        Generated actual = await AnswerAsync(DeviceCatalog.Open("ilgpu-cpu"), model, tokenizer, prompt);
        Assert.Equal(expected.Tokens, actual.Tokens);
        Assert.Equal(expected.End.Cause, actual.End.Cause);
    }

    private static async Task<Generated> AnswerAsync(Device device, ModelFile model, Tokenizer tokenizer, int[] prompt)
    {
        using (device)
        {
            var options = new EngineOptions { KvBlocks = 8, MaxBatchTokens = 64, MaxSequences = 4, ContextLength = 128 };
            await using var engine = new InferenceEngine(model.Config, model.Weights, model.Fingerprint, tokenizer, device, options);
            SubmitResult<SequenceHandle> result = engine.Submit(EngineRig.Request(prompt, 8, SamplingParameters.Greedy with { LogProbabilities = 2 }));
            Assert.True(result.Refused is null, result.Refused?.Message);
            return await EngineRig.ReadAsync(result.Accepted!);
        }
    }
}
