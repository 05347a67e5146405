namespace ServingGrid.Grains.Disaggregation;

/// <summary>What is known when a prompt's place is chosen.</summary>
/// <param name="Tokens">Prompt tokens that the decode device's cache lacks.</param>
/// <param name="LocalPending">Prompt tokens that the decode device has yet to compute.</param>
/// <param name="LocalRate">Prompt tokens that it computes per second; 0: unknown.</param>
/// <param name="LocalRunning">Streams that wait while it computes a prompt.</param>
/// <param name="RemotePending">Prompt tokens that the prefill device has yet to compute.</param>
/// <param name="RemoteRate">Its speed; 0: unknown.</param>
/// <param name="TransferSeconds">Time to move the last blocks: the others travel while the prompt is computed.</param>
public readonly record struct HandoverInputs(
    int Tokens, long LocalPending, double LocalRate, int LocalRunning, long RemotePending, double RemoteRate, double TransferSeconds);

/// <summary>
/// Whether computing a prompt elsewhere pays, in seconds of waiting. Remotely the request alone waits: for the queue there, for its
/// prompt and for the transfer. Locally it waits for the queue here, and every running stream waits with it while its prompt is
/// computed. Measured speeds, so that no constant has to be tuned for each kind of hardware.
/// </summary>
public static class HandoverCost
{
    /// <summary>Two calls between silos and a reservation.</summary>
    public const double OverheadSeconds = 0.005;

    private const double AssumedRate = 500;

    public static bool IsRemoteBetter(in HandoverInputs inputs) => Remote(inputs) < Local(inputs);

    /// <summary>Seconds that streams wait when the prompt is computed on the decode device.</summary>
    public static double Local(in HandoverInputs inputs)
    {
        double rate = Rate(inputs.LocalRate, inputs.RemoteRate);
        return (inputs.LocalPending / rate) + (inputs.Tokens / rate * (1 + inputs.LocalRunning));
    }

    /// <summary>Seconds that the request waits when the prompt is computed elsewhere.</summary>
    public static double Remote(in HandoverInputs inputs)
    {
        double rate = Rate(inputs.RemoteRate, inputs.LocalRate);
        return ((inputs.RemotePending + inputs.Tokens) / rate) + inputs.TransferSeconds + OverheadSeconds;
    }

    /// <summary>A device that has computed nothing yet is taken to be as fast as the other.</summary>
    private static double Rate(double own, double other) => own > 0 ? own : other > 0 ? other : AssumedRate;
}
