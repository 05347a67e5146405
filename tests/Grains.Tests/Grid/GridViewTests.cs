using Microsoft.Extensions.Time.Testing;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;

namespace ServingGrid.Grains.Tests.Grid;

public sealed class GridViewTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly GridView _view;

    public GridViewTests() => _view = new GridView(_time);

    [Fact]
    public void TakeCatalog_ItHasBegunAnew_NothingIsForgotten()
    {
        Take(true, "a", "b");
        Take(false, "a", "c");
        Assert.Equal(["a", "b", "c"], _view.Models.Order());

        Take(true, "a", "c");
        Assert.Equal(["a", "c"], _view.Models.Order());
    }

    [Fact]
    public void TakeCatalog_ModelMissingWhoseDevicesReport_StaysUntilTheyDoNot()
    {
        _view.Get("m").Apply(FakeDevices.Update([FakeDevices.Entry(1)]));
        Take(true, "a");
        Assert.Equal(["a", "m"], _view.Models.Order());

        _view.Get("m").Apply(FakeDevices.Update([]));
        Take(true, "a");
        Assert.Equal(["a"], _view.Models);
    }

    [Fact]
    public void TakeCatalog_ModelMissingOfWhichNothingIsHeard_Forgotten()
    {
        _view.Get("m").Apply(FakeDevices.Update([FakeDevices.Entry(1)]));
        _time.Advance(ModelView.MaxAge + TimeSpan.FromMilliseconds(1));
        Take(true, "a");
        Assert.Equal(["a"], _view.Models);
    }

    private void Take(bool isComplete, params string[] models) => _view.TakeCatalog(models.ToHashSet(), isComplete);
}
