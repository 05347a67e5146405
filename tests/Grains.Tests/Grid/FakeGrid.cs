using System.Collections.Concurrent;
using System.Reflection;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Grid;

/// <summary>
/// The grains that a silo reports to, each of which answers as a test says. Proxies, because Orleans would take a class with a grain's
/// interface for a grain of the clusters in other tests.
/// </summary>
internal sealed class FakeGrid
{
    private readonly ConcurrentDictionary<string, State> _states = new();

    public FakeGrid() => Grains = Proxy.Of<IGrainFactory>((method, args) => method.GetGenericArguments()[0] == typeof(IGridStateGrain)
        ? Proxy.Of<IGridStateGrain>((_, call) => StateOf((string)args[0]!).Exchange((DeviceReport?)call[0]))
        : Proxy.Of<IModelRegistryGrain>((called, call) => called.Name == nameof(IModelCatalogGrain.GetModels)
            ? Catalog.GetModels()
            : Catalog.Announce((ModelCard)call[0]!, (IReadOnlyList<ModelCard>?)call[2])));

    public IGrainFactory Grains { get; }

    public Registry Catalog { get; } = new();

    public State StateOf(string model) => _states.GetOrAdd(model, _ => new State());

    internal sealed class State
    {
        public Func<DeviceReport?, Task<GridUpdate>> Answer { get; set; } = _ => Task.FromResult(FakeDevices.Update([]));

        /// <summary>Calls so far.</summary>
        public int Asked => Reports.Count;

        public ConcurrentQueue<DeviceReport?> Reports { get; } = new();

        public Task<GridUpdate> Exchange(DeviceReport? report)
        {
            Reports.Enqueue(report);
            return Answer(report);
        }
    }

    internal sealed class Registry
    {
        private int _asked;
        private int _read;

        public Func<ModelCard, IReadOnlyList<ModelCard>?, Task<CatalogAnswer>> Answer { get; set; } =
            (model, _) => Task.FromResult(new CatalogAnswer([model], true));

        /// <summary>Announcements so far.</summary>
        public int Asked => Volatile.Read(ref _asked);

        /// <summary>What those are told that announce nothing.</summary>
        public IReadOnlyList<ModelCard> Models { get; set; } = [];

        /// <summary>How often somebody asked without announcing anything.</summary>
        public int Read => Volatile.Read(ref _read);

        public Task<IReadOnlyList<ModelCard>> GetModels()
        {
            Interlocked.Increment(ref _read);
            return Task.FromResult(Models);
        }

        public Task<CatalogAnswer> Announce(ModelCard model, IReadOnlyList<ModelCard>? known)
        {
            Interlocked.Increment(ref _asked);
            return Answer(model, known);
        }
    }

    /// <summary>An interface whose every member is one function.</summary>
    public class Proxy : DispatchProxy
    {
        private Func<MethodInfo, object?[], object?> _call = null!;

        internal static T Of<T>(Func<MethodInfo, object?[], object?> call)
            where T : class
        {
            T proxy = Create<T, Proxy>();
            ((Proxy)(object)proxy)._call = call;
            return proxy;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => _call(targetMethod!, args!);
    }
}
