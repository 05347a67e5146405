using System.Collections.Concurrent;
using System.Reflection;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Grid;

/// <summary>The grains that a silo reports to, each of which answers as a test says.</summary>
internal sealed class FakeGrid
{
    private readonly ConcurrentDictionary<string, State> _states = new();

    public FakeGrid() => Grains = GrainFactory.Over(this);

    public IGrainFactory Grains { get; }

    public Registry Catalog { get; } = new();

    public State StateOf(string model) => _states.GetOrAdd(model, _ => new State());

    internal sealed class State : IGridStateGrain
    {
        private int _asked;

        public Func<DeviceReport?, Task<GridUpdate>> Answer { get; set; } = _ => Task.FromResult(FakeDevices.Update([]));

        /// <summary>Calls so far.</summary>
        public int Asked => Volatile.Read(ref _asked);

        public ConcurrentQueue<DeviceReport?> Reports { get; } = new();

        public Task<GridUpdate> Exchange(DeviceReport? report, Guid epoch, long version)
        {
            Reports.Enqueue(report);
            Interlocked.Increment(ref _asked);
            return Answer(report);
        }

        public Task<DeviceEntry[]> GetDevices() => throw new NotSupportedException();

        public Task Leave(string deviceId) => Task.CompletedTask;
    }

    internal sealed class Registry : IModelRegistryGrain
    {
        private int _asked;

        public Func<ModelCard, IReadOnlyList<ModelCard>?, Task<CatalogAnswer>> Answer { get; set; } = (model, _) => Task.FromResult(new CatalogAnswer([model], true));

        /// <summary>Calls so far.</summary>
        public int Asked => Volatile.Read(ref _asked);

        public Task<CatalogAnswer> Announce(ModelCard model, SiloAddress silo, IReadOnlyList<ModelCard>? known)
        {
            Interlocked.Increment(ref _asked);
            return Answer(model, known);
        }

        public Task<IReadOnlyList<ModelCard>> GetModels() => throw new NotSupportedException();

        public Task<ModelCard?> FindModel(string name) => throw new NotSupportedException();
    }

    /// <summary>Hands out the grid's grains.</summary>
    public class GrainFactory : DispatchProxy
    {
        private FakeGrid _grid = null!;

        internal static IGrainFactory Over(FakeGrid grid)
        {
            IGrainFactory factory = Create<IGrainFactory, GrainFactory>();
            ((GrainFactory)(object)factory)._grid = grid;
            return factory;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            targetMethod!.GetGenericArguments()[0] == typeof(IGridStateGrain) ? _grid.StateOf((string)args![0]!) : _grid.Catalog;
    }
}
