using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ServingGrid.Client.Models;
using ServingGrid.Model;
using ServingGrid.Model.Gguf;
using ServingGrid.Model.Tokenization;
using ServingGrid.Testing;

namespace ServingGrid.Client.Tests.Models;

public sealed class ModelTextCacheTests
{
    private const string FirstFile = "one";

    private readonly Grid _grid = new();
    private readonly FakeTimeProvider _time = new();
    private readonly ModelTextCache _cache;

    public ModelTextCacheTests() => _cache = new ModelTextCache(GrainFactory.Over(_grid), new GridClientOptions(), _time, NullLogger.Instance);

    [Fact]
    public async Task Get_Twice_FetchedOnce()
    {
        ModelText first = await _cache.Get("m", default);

        Assert.Same(first, await _cache.Get("m", default));
        Assert.Equal(1, _grid.Asked);
    }

    [Fact]
    public async Task Get_FailsAfterItsCallerHasLeft_TheNextOneAsksAgain()
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource<ModelCard?> answer = new();
        _grid.Find = () =>
        {
            asked.SetResult();
            return answer.Task;
        };
        using CancellationTokenSource caller = new();
        Task<ModelText> left = _cache.Get("m", caller.Token);
        await asked.Task.WaitAsync(TimeSpan.FromMinutes(1));
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        _grid.Find = null;
        Task<ModelText> waiting = _cache.Get("m", default);
        answer.SetResult(null);

        // Whoever waits for the same fetch shares its failure, and nobody else does.
        Assert.Equal(GridError.ModelNotFound, (await Assert.ThrowsAsync<GridException>(() => waiting)).Error);
        Assert.Equal(FirstFile, (await _cache.Get("m", default)).Card.Fingerprint);
    }

    [Fact]
    public async Task Forget_TheCardThatIsKept_FetchedAnew()
    {
        ModelText first = await _cache.Get("m", default);
        _grid.Fingerprint = "another";
        _cache.Forget(first.Card);
        ModelText second = await _cache.Get("m", default);

        Assert.Equal("another", second.Card.Fingerprint);

        // Late requests of the first one change nothing.
        _cache.Forget(first.Card);
        Assert.Same(second, await _cache.Get("m", default));
    }

    [Fact]
    public async Task Get_SilosCameBackWithAnotherContext_SeenWithinTheCheckPeriod()
    {
        ModelText first = await _cache.Get("m", default);
        _grid.ContextLength = 200;
        Assert.Same(first, await _cache.Get("m", default));

        _time.Advance(ModelTextCache.CheckPeriod);
        ModelText second = await _cache.Get("m", default);

        Assert.Equal((100, 200), (first.Card.ContextLength, second.Card.ContextLength));
        Assert.Same(second, await _cache.Get("m", default));
    }

    /// <summary>A prompt of the other file: either it is old, or what is kept here is. The grid knows.</summary>
    [Fact]
    public async Task Get_PromptOfAnotherFile_AsksWhetherTheModelHasChanged()
    {
        ModelText first = await _cache.Get("m", default);
        Assert.Same(first, await _cache.Get("m", default, "another"));

        _grid.Fingerprint = "another";
        Assert.Same(first, await _cache.Get("m", default, FirstFile));
        Assert.Equal("another", (await _cache.Get("m", default, "another")).Card.Fingerprint);
    }

    [Fact]
    public async Task Get_DevicesOfAnotherClassJoined_SeenWithinTheCheckPeriodWithoutAnotherFetch()
    {
        ModelText first = await _cache.Get("m", default);
        _grid.Numerics = ["x", "y"];
        _time.Advance(ModelTextCache.CheckPeriod);
        ModelText second = await _cache.Get("m", default);

        Assert.Null(first.Card.Numerics);
        Assert.Equal(["x", "y"], second.Card.Numerics);
        Assert.Same(first.Tokenizer, second.Tokenizer);
        Assert.Same(second, await _cache.Get("m", default));
        Assert.Equal(1, _grid.Asked);
    }

    [Fact]
    public async Task Get_GridDoesNotSayWhetherItChanged_GoesOnWithWhatIsKnown()
    {
        ModelText first = await _cache.Get("m", default);
        _time.Advance(ModelTextCache.CheckPeriod);
        _grid.AskCard = () => new TaskCompletionSource<ModelCard>().Task;
        Task<ModelText> checking = _cache.Get("m", default);

        // Whoever comes meanwhile does not wait for the check.
        Assert.Same(first, await _cache.Get("m", default));
        _time.Advance(TimeSpan.FromMilliseconds(250));
        Assert.Same(first, await checking.WaitAsync(TimeSpan.FromMinutes(1)));

        _time.Advance(ModelTextCache.CheckPeriod);
        _grid.AskCard = () => throw new GridException(GridError.Unavailable, "No silo serves it now.");
        Assert.Same(first, await _cache.Get("m", default));
        Assert.Equal(1, _grid.Asked);
    }

    [Theory]
    [InlineData("m", FirstFile, true)]
    [InlineData("m", "another", false)]
    [InlineData("n", FirstFile, false)]
    public async Task Get_ModelOfThisProcess_ItsTokenizerIfItIsTheOneThatTheGridHas(string name, string fingerprint, bool same)
    {
        using ModelFile file = ModelFile.Open(ModelFiles.Bundled);
        var local = new LocalModel(Grid.Card(name, fingerprint), file.Metadata, TokenizerFactory.Create(file.Metadata));
        var cache = new ModelTextCache(GrainFactory.Over(_grid), new GridClientOptions(), TimeProvider.System, NullLogger.Instance, new Lazy<ILocalModel>(local));
        ModelText text = await cache.Get("m", default);

        Assert.Equal(same, ReferenceEquals(local.Tokenizer, text.Tokenizer));
        Assert.True(text.HasChatTemplate);
        Assert.Equal(FirstFile, text.Card.Fingerprint);
    }

    private sealed record LocalModel(ModelCard Card, GgufMetadata Metadata, Tokenizer Tokenizer) : ILocalModel;

    /// <summary>The grains that the cache asks, for the bundled model.</summary>
    private sealed class Grid : IModelCatalogGrain, IModelGrain
    {
        private static readonly byte[] Header = ReadHeader();
        private int _asked;

        public string Fingerprint { get; set; } = FirstFile;

        public int ContextLength { get; set; } = 100;

        public string[]? Numerics { get; set; }

        public Func<Task<ModelCard?>>? Find { get; set; }

        public Func<Task<ModelCard>>? AskCard { get; set; }

        public int Asked => _asked;

        public Task<IReadOnlyList<ModelCard>> GetModels() => Task.FromResult<IReadOnlyList<ModelCard>>([Card("m", Fingerprint)]);

        public Task<ModelCard?> FindModel(string name)
        {
            Interlocked.Increment(ref _asked);
            return Find?.Invoke() ?? Task.FromResult<ModelCard?>(Card("m", Fingerprint));
        }

        public Task<ModelCard> GetCard() => AskCard?.Invoke()
            ?? Task.FromResult(Card("m", Fingerprint) with { ContextLength = ContextLength, Numerics = Numerics });

        public Task<ModelHeaderPiece> GetHeaderPiece(long offset) => Task.FromResult(new ModelHeaderPiece
        {
            Fingerprint = Fingerprint,
            TotalBytes = Header.Length,
            Bytes = Header[(int)offset..(int)Math.Min(Header.Length, offset + ModelHeader.PieceBytes)],
        });

        private static byte[] ReadHeader()
        {
            using ModelFile model = ModelFile.Open(ModelFiles.Bundled);
            return model.Header.Bytes.ToArray();
        }

        public static ModelCard Card(string name, string fingerprint) => new()
        {
            Name = name,
            Fingerprint = fingerprint,
            ContextLength = 100,
            VocabularySize = 100,
            BlockSize = 32,
            Created = DateTimeOffset.UnixEpoch,
        };
    }

    /// <summary>A grain factory whose every grain is the same object.</summary>
    public class GrainFactory : DispatchProxy
    {
        private object? _grains;

        public static IGrainFactory Over(object grains)
        {
            IGrainFactory factory = Create<IGrainFactory, GrainFactory>();
            ((GrainFactory)(object)factory)._grains = grains;
            return factory;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => _grains;
    }
}
