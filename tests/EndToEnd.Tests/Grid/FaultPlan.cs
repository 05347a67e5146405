using ServingGrid.EndToEnd.Tests.Support;

namespace ServingGrid.EndToEnd.Tests.Grid;

/// <summary>
/// Every kind of fault once, in an order and at moments that a seed decides: a decode silo killed, a prefill silo killed, one
/// frozen and later resumed, one drained, one added.
/// </summary>
/// <param name="seed">Decides.</param>
/// <param name="requests">Requests of the run: faults are spread over its first three quarters.</param>
/// <param name="finished">Requests that have ended so far.</param>
/// <param name="log">What happened when.</param>
internal sealed class FaultPlan(int seed, int requests, Func<int> finished, Action<string> log)
{
    private static readonly TimeSpan ExitPatience = TimeSpan.FromSeconds(40);

    /// <summary>Longer than it takes to be declared dead.</summary>
    private static readonly TimeSpan Frozen = TimeSpan.FromSeconds(6);

    private readonly Random _random = new(seed);
    private SiloProcess? _drained;
    private SiloProcess? _frozen;

    /// <summary>Injects all faults.</summary>
    /// <param name="grid">Where a silo is added.</param>
    /// <param name="silos">At least three decode silos, two prefill silos and one of both roles: one that decodes is always left.</param>
    public async Task RunAsync(ProcessGrid grid, SiloProcess[] silos)
    {
        SiloProcess[] decode = Shuffled(silos.Where(silo => silo.Role == "decode"));
        SiloProcess[] prefill = Shuffled(silos.Where(silo => silo.Role == "prefill"));
        _drained = silos.First(silo => silo.Role == "both");
        _frozen = decode[1];
        (string What, Func<Task> Do)[] faults = Shuffled<(string What, Func<Task> Do)>(
        [
            ($"SIGKILL {decode[0].Device}", () => Signal(decode[0].Kill)),
            ($"SIGKILL {prefill[0].Device}", () => Signal(prefill[0].Kill)),
            ($"SIGSTOP {_frozen.Device}", () => Signal(_frozen.Freeze)),
            ($"SIGTERM {_drained.Device}", () => Signal(_drained.Terminate)),
            ("a new silo", () => grid.StartSiloAsync("decode")),
        ]);

        int[] moments = [.. Enumerable.Range(0, faults.Length).Select(_ => _random.Next(requests / 20, requests * 3 / 4)).Order()];
        Task thaw = Task.CompletedTask;
        for (int i = 0; i < faults.Length; i++)
        {
            while (finished() < moments[i])
            {
                await Task.Delay(5);
            }

            await Task.Delay(_random.Next(50));
            log($"after {finished()} requests: {faults[i].What}");
            await faults[i].Do();
            if (faults[i].What.StartsWith("SIGSTOP", StringComparison.Ordinal))
            {
                thaw = ThawAsync(_frozen);
            }
        }

        await thaw;
    }

    /// <summary>The drained silo has ended by itself, and so has the frozen one: it finds itself declared dead.</summary>
    public async Task CheckEndsAsync()
    {
        Assert.Equal(0, await _drained!.WaitForExitAsync(ExitPatience));
        await _frozen!.WaitForExitAsync(ExitPatience);
    }

    private static async Task ThawAsync(SiloProcess silo)
    {
        await Task.Delay(Frozen);
        silo.Resume();
    }

    private static Task Signal(Action send)
    {
        send();
        return Task.CompletedTask;
    }

    private T[] Shuffled<T>(IEnumerable<T> items)
    {
        T[] array = [.. items];
        _random.Shuffle(array);
        return array;
    }
}
