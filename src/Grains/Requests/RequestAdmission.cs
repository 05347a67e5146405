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
        CheckModel(attempt.Request);
        bool served = device.Identity.Model.Name == attempt.Request.Model;
        bool failed = attempt.Failed.Contains(device.Identity.Id);
        if (!served || failed || (attempt.Numerics is { } numerics && numerics != device.Identity.Numerics))
        {
            CheckOthers(attempt, served, failed);
        }

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

    /// <summary>
    /// Refuses an attempt that was placed here for want of another device at that moment. It is final only if a view that is fresh has none
    /// that could take it, now or in a second: one that recovers or joins will, and a silo that knows nothing yet says nothing.
    /// </summary>
    private void CheckOthers(GenerateAttempt attempt, bool served, bool failed)
    {
        string model = attempt.Request.Model;
        string id = device.Identity.Id;
        if (view.Find(model) is { IsFresh: true } known)
        {
            // Reports keep a device in the view for some seconds after its silo died.
            DeviceView[] left = [.. known.Devices.Where(CanTake)];
            bool isHere = served && !failed;
            bool isGone = attempt.Numerics is not null && !left.Any(other => other.Identity.Numerics == attempt.Numerics);
            if (isGone && (isHere || left.Length > 0 || !failed))
            {
                throw new GridException(GridError.NumericsGone, $"No device of numerics class {attempt.Numerics} is left for model {model}.");
            }

            if (failed && left.Length == 0)
            {
                string reason = $"Request {attempt.Request.RequestId} has failed on {id} before.";
                throw new GridException(GridError.RequestFailed, reason) { Device = id };
            }
        }

        throw new GridException(
            GridError.Unavailable,
            failed ? $"Request {attempt.Request.RequestId} has failed on {id} before, and no other device takes it now."
            : served ? $"{id} computes in numerics class {device.Identity.Numerics}, not in {attempt.Numerics}."
            : $"Model {model} is not on {id}.");

        bool CanTake(DeviceView other) => other.Load.Role.Decodes() && other.Load.State is not (DeviceState.Draining or DeviceState.Failed)
            && !attempt.Failed.Contains(other.Identity.Id);
    }
}
