using System.Text;
using ServingGrid.Client.Requests;
using ServingGrid.Engine;
using ServingGrid.Kernels.Cpu;
using ServingGrid.Model;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;

namespace ServingGrid.Client.Tests.Requests;

/// <summary>
/// The engine decides where an answer ends, the client cuts its text: both look for stop strings, and must find the same one in
/// the same token.
/// </summary>
public sealed class TextAssemblerTests : IAsyncDisposable
{
    private const int MaxTokens = 120;

    private readonly ModelFile _model = ModelFile.Open(ModelFiles.Bundled);
    private readonly CpuDevice _device = CpuDevice.Create(new CpuDeviceOptions { Threads = 1 });
    private readonly Tokenizer _tokenizer;
    private readonly InferenceEngine _engine;
    private readonly int[] _prompt;

    public TextAssemblerTests()
    {
        _tokenizer = TokenizerFactory.Create(_model.Metadata);
        _engine = new InferenceEngine(
            _model.Config, _model.Weights, _model.Fingerprint, _tokenizer, _device, new EngineOptions { KvBlocks = 32, MaxBatchTokens = 64, MaxSequences = 4, ContextLength = 256 });
        _prompt = _tokenizer.Encode("<|im_start|>user\nTell me a story.<|im_end|>\n<|im_start|>assistant\n", addSpecial: true, parseSpecial: true);
    }

    [Fact]
    public async Task Append_AnswersOfAnEngine_EndWhereTheEngineEndsThem()
    {
        (int[] free, _) = await GenerateAsync([], 0);
        string text = Text(free);
        Assert.True(free.Length > 40, text);
        var random = new Random(5);
        for (int i = 0; i < 60; i++)
        {
            string[] stops = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => text.Substring(random.Next(text.Length - 10), random.Next(1, 10)))];
            int minTokens = random.Next(0, free.Length);
            (int[] tokens, SequenceEnd end) = await GenerateAsync(stops, minTokens);
            AssertSame(tokens, end, stops, minTokens, random);
        }
    }

    [Fact]
    public async Task Append_StopStringAtTheMinimum_NeitherEndsThere()
    {
        (int[] free, _) = await GenerateAsync([], 0);
        for (int minTokens = 1; minTokens < 20; minTokens++)
        {
            string stop = Text(free[(minTokens - 1)..minTokens]);
            (int[] tokens, SequenceEnd end) = await GenerateAsync([stop], minTokens);
            Assert.True(tokens.Length > minTokens);
            AssertSame(tokens, end, [stop], minTokens, new Random(minTokens));
        }
    }

    [Fact]
    public void Append_AnswerThatChangesItsClass_EveryItemSaysItsOwnAndTheLastThoseBefore()
    {
        TextAssembler text = new(_tokenizer, new GenerateRequest { RequestId = "r", Model = "m", Prompt = [1] });
        GenerateUpdate[] updates =
        [
            new() { Tokens = [new(400)], Numerics = "x" },
            new() { Tokens = [new(401)] },
            new() { Tokens = [new(402)], Numerics = "y" },
            new() { Tokens = [new(403)] },
            new() { Finish = FinishReason.Length },
        ];
        TextUpdate[] items = [.. updates.Select(text.Append)];

        Assert.Equal(["x", "x", "y", "y", "y"], items.Select(item => item.Numerics));
        Assert.Equal(["x"], items[^1].ChangedFrom);
        Assert.All(items.SkipLast(1), item => Assert.Empty(item.ChangedFrom));
    }

    public async ValueTask DisposeAsync()
    {
        await _engine.DisposeAsync();
        _device.Dispose();
        _model.Dispose();
    }

    /// <summary>The engine's tokens in items of random size through the assembler.</summary>
    private void AssertSame(int[] tokens, SequenceEnd end, string[] stops, int minTokens, Random random)
    {
        TextAssembler assembler = new(_tokenizer, new GenerateRequest { RequestId = "r", Model = "m", Prompt = _prompt, MaxTokens = MaxTokens, MinTokens = minTokens, StopStrings = stops });
        StringBuilder text = new();
        TextUpdate last = new();
        for (int at = 0; at <= tokens.Length && last.Finish is null;)
        {
            int count = Math.Min(random.Next(1, 6), tokens.Length - at);
            bool ends = at + count == tokens.Length;
            last = assembler.Append(new GenerateUpdate
            {
                Tokens = [.. tokens[at..(at + count)].Select(token => new GeneratedToken(token))],
                Finish = ends ? (end.Cause == FinishCause.Stop ? FinishReason.Stop : FinishReason.Length) : null,
                Usage = ends ? new GenerateUsage { PromptTokens = _prompt.Length, CachedTokens = 0, CompletionTokens = end.Usage.CompletionTokens } : null,
            });
            text.Append(last.Text);
            at += count;
        }

        string whole = Text(tokens), head = Text(tokens[..Math.Min(minTokens, tokens.Length)]);
        Assert.Equal(end.StopString is { } stop ? whole[..whole.IndexOf(stop, head.Length, StringComparison.Ordinal)] : whole, text.ToString());
        Assert.Equal(tokens.Length, last.Usage!.CompletionTokens);
        Assert.Equal(end.Cause == FinishCause.Stop ? FinishReason.Stop : FinishReason.Length, last.Finish);
    }

    private async Task<(int[] Tokens, SequenceEnd End)> GenerateAsync(string[] stops, int minTokens)
    {
        SubmitResult<SequenceHandle> result = _engine.Submit(new SequenceRequest
        {
            Id = "r",
            Prompt = _prompt,
            MaxTokens = MaxTokens,
            MinTokens = minTokens,
            StopStrings = stops,
            Sampling = SamplingParameters.Greedy,
        });
        List<SequenceUpdate> updates = await result.Accepted!.Updates.ReadAllAsync(TestContext.Current.CancellationToken).ToListAsync();
        return ([.. updates[..^1].Select(update => update.Token!.Value.Token)], updates[^1].End!);
    }

    private string Text(int[] tokens) => Encoding.UTF8.GetString([.. tokens.SelectMany(token => _tokenizer.TokenBytes(token).ToArray())]);
}
