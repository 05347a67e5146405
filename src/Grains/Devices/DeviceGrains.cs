using Orleans.Concurrency;
using ServingGrid.Client;
using ServingGrid.Engine;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Placement;
using ServingGrid.Grains.Status;
using ServingGrid.Grains.Transfer;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Devices;

/// <summary>The addressable face of one device's engine. Key: the device's id.</summary>
public interface IDeviceGrain : IGrainWithStringKey
{
    /// <summary>How busy it is now.</summary>
    /// <exception cref="GridException"><see cref="GridError.Unavailable"/>: its silo is not in the grid, or has another role.</exception>
    Task<DeviceLoad> GetLoad();

    /// <summary>What its silo knows of itself, the requests in flight among it.</summary>
    /// <exception cref="GridException">As <see cref="GetLoad"/>.</exception>
    Task<DeviceDetails> GetDetails();
}

/// <summary>What a silo says of itself and its device when it is asked: too much for each report.</summary>
/// <param name="Silo">Requests, view and counters.</param>
/// <param name="Handovers">Where its prompts were computed.</param>
[GenerateSerializer, Immutable]
public sealed record DeviceDetails([property: Id(0)] SiloDetails Silo, [property: Id(1)] HandoverSnapshot Handovers);

/// <summary>A device that computes prompts.</summary>
public interface IPrefillGrain : IDeviceGrain
{
    /// <summary>Computes a prompt, sends its KV to the decode device while it does, and samples the first token.</summary>
    /// <exception cref="GridException">
    /// The engine refuses it or has failed, or the blocks did not get there; <see cref="GridError.RequestFailed"/>: the prompt itself is to
    /// blame.
    /// </exception>
    [ResponseTimeout("00:10:00")]
    Task<PrefillAnswer> Prefill(PrefillOrder order, CancellationToken cancellation);
}

/// <summary>A device that generates tokens.</summary>
public interface IDecodeGrain : IDeviceGrain;

/// <inheritdoc cref="IPrefillGrain"/>
[DevicePlacement(DeviceRole.Prefill)]
[Reentrant]
internal sealed class PrefillGrain(LocalDevice device, IKvTransport transport, RequestsInFlight requests, SiloDetailsReader details)
    : DeviceGrain(device, DeviceRole.Prefill, details), IPrefillGrain
{
    public async Task<PrefillAnswer> Prefill(PrefillOrder order, CancellationToken cancellation)
    {
        LocalDevice local = Local();
        if (local.Load().State != DeviceState.Serving)
        {
            throw new GridException(GridError.Unavailable, $"{local.Identity.Id} takes no prompts now.");
        }

        string numerics = local.Identity.Numerics;
        if (numerics != order.Numerics)
        {
            throw new GridException(
                GridError.Unavailable,
                $"{local.Identity.Id} computes in numerics class {numerics}: it takes no prompts for devices of class {order.Numerics}.");
        }

        using RequestInFlight request = requests.Begin(order.Attempt, forPeer: true);
        try
        {
            SubmitResult<PrefillResult> result = await PrefillPush.RunAsync(
                local.Worker.Engine, transport, EngineMapping.ToSequence(order.Attempt), order.SkipTokens, order.Target, cancellation);
            return result.Accepted is { } done
                ? new PrefillAnswer(EngineMapping.ToToken(done.First), done.CachedTokens, done.SentBytes, done.SendTime)
                : throw EngineMapping.ToException(result.Refused!, local.Identity.Id);
        }
        catch (EngineException failure)
        {
            throw EngineMapping.ToException(failure, local.Identity.Id);
        }
        catch (KvTransferException failure)
        {
            throw new GridException(GridError.Unavailable, failure.Message);
        }
    }
}

/// <inheritdoc cref="IDecodeGrain"/>
[DevicePlacement(DeviceRole.Decode)]
internal sealed class DecodeGrain(LocalDevice device, SiloDetailsReader details) : DeviceGrain(device, DeviceRole.Decode, details), IDecodeGrain;

/// <summary>What both have in common.</summary>
internal abstract class DeviceGrain(LocalDevice device, DeviceRole role, SiloDetailsReader details) : Grain, IDeviceGrain
{
    public Task<DeviceLoad> GetLoad() => Task.FromResult(Local().Load());

    public Task<DeviceDetails> GetDetails()
    {
        Local();
        return Task.FromResult(details.Read());
    }

    /// <summary>The device, if the grain was placed on its silo.</summary>
    protected LocalDevice Local()
    {
        bool plays = role == DeviceRole.Prefill ? device.Role.Prefills() : device.Role.Decodes();
        if (device.Identity.Id == this.GetPrimaryKeyString() && plays)
        {
            return device;
        }

        DeactivateOnIdle();
        throw new GridException(GridError.Unavailable, $"There is no {role.ToString().ToLowerInvariant()} device {this.GetPrimaryKeyString()} in the grid.");
    }
}
