using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Workers;

namespace ServingGrid.Grains.Requests;

/// <summary>Decides whether an attempt that was placed on this silo may run here. Makes no call. Thread-safe.</summary>
internal sealed class RequestAdmission(LocalDevice device, GridView view)
{
    /// <summary>The device that runs what is admitted.</summary>
    public DeviceIdentity Device => device.Identity;

    /// <exception cref="GridException">It may not, and the kind of error says what the client can do.</exception>
    public void Check(GenerateAttempt attempt)
    {
        if (attempt.Failed.Contains(device.Identity.Id))
        {
            // Placed here for want of another device.
            throw new GridException(GridError.RequestFailed, $"Request {attempt.Request.RequestId} has failed on {device.Identity.Id} before.") { Device = device.Identity.Id };
        }

        CheckModel(attempt.Request);
        CheckNumerics(attempt);
        if (!device.Role.Decodes() || device.Load().State != DeviceState.Serving)
        {
            throw new GridException(GridError.Unavailable, $"{device.Identity.Id} takes no requests now.");
        }
    }

    private void CheckModel(GenerateRequest request)
    {
        // An attempt that has nowhere to go lands anywhere: what this silo knows of its model decides below whether there is still a device
        // for it.
        if (device.Identity.Model.Name != request.Model)
        {
            return;
        }

        if (request.Fingerprint is { } fingerprint && fingerprint != device.Identity.Model.Fingerprint)
        {
            // A client that has outlived a change of the model would have its tokens read as others.
            string reason = $"Model {request.Model} is another file than the one that the prompt was made for.";
            throw new GridException(GridError.ModelChanged, reason);
        }
    }

    private void CheckNumerics(GenerateAttempt attempt)
    {
        string model = attempt.Request.Model;
        bool served = device.Identity.Model.Name == model;
        if (served && (attempt.Numerics is null || attempt.Numerics == device.Identity.Numerics))
        {
            return;
        }

        if (attempt.Numerics is { } numerics && view.Find(model) is { IsFresh: true } known && !known.Devices.Any(IsLeft))
        {
            throw new GridException(GridError.NumericsGone, $"No device of numerics class {numerics} is left for model {model}.");
        }

        throw new GridException(
            GridError.Unavailable,
            served
                ? $"{device.Identity.Id} computes in numerics class {device.Identity.Numerics}, not in {attempt.Numerics}."
                : $"Model {model} is not on {device.Identity.Id}.");

        // It can go on with the answer, if not at this moment. Reports keep a device in the view for some seconds after its silo died.
        bool IsLeft(DeviceView other) => other.Identity.Numerics == attempt.Numerics && other.Load.Role.Decodes()
            && other.Load.State is not (DeviceState.Draining or DeviceState.Failed);
    }
}
