namespace ServingGrid.Grains.Disaggregation;

/// <summary>What is known when a prompt's place is chosen.</summary>
/// <param name="LocalTokens">Prompt tokens that the decode device's cache lacks.</param>
/// <param name="LocalPending">Prompt tokens that the decode device has yet to compute.</param>
/// <param name="LocalRate">Prompt tokens that it computes per second; 0: unknown.</param>
/// <param name="LocalRunning">Streams that wait while it computes a prompt.</param>
/// <param name="RemoteTokens">Prompt tokens that the prefill device's cache lacks.</param>
/// <param name="RemotePending">Prompt tokens that the prefill device computes before this prompt's.</param>
/// <param name="RemoteRate">Its speed; 0: unknown.</param>
/// <param name="RemoteRunning">Streams that wait while it computes a prompt; none on a device that does not decode.</param>
/// <param name="TransferSeconds">Time to move all blocks that the decode device lacks.</param>
/// <param name="LastTransferSeconds">Time to move the last of them: the others travel while the prompt is computed.</param>
/// <param name="LocalRateBeside">Prompt tokens that the decode device computes per second in steps beside its streams; 0: unknown, or it has none.</param>
/// <param name="RemoteRateBeside">The same of the prefill device, if it decodes as well.</param>
[GenerateSerializer, Immutable]
public readonly record struct HandoverInputs(
    [property: Id(0)] int LocalTokens,
    [property: Id(1)] long LocalPending,
    [property: Id(2)] double LocalRate,
    [property: Id(3)] int LocalRunning,
    [property: Id(4)] int RemoteTokens,
    [property: Id(5)] long RemotePending,
    [property: Id(6)] double RemoteRate,
    [property: Id(7)] int RemoteRunning,
    [property: Id(8)] double TransferSeconds,
    [property: Id(9)] double LastTransferSeconds,
    [property: Id(10)] double LocalRateBeside,
    [property: Id(11)] double RemoteRateBeside);

/// <summary>
/// Whether computing a prompt elsewhere pays, in seconds of waiting. Remotely the request waits for the queue there, for its prompt and for the
/// transfer; locally for the queue here and for its prompt. On a device that decodes, each step takes a little of a prompt only, and every
/// stream waits as long as the prompt's tokens take: that is counted in the same way on both sides, so that equal devices keep their
/// prompts. Measured speeds, so that no constant has to be tuned for each kind of hardware.
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
        Speed speed = LocalSpeed(inputs);
        return ((inputs.LocalPending + inputs.LocalTokens) / speed.Beside) + (inputs.LocalTokens / speed.Alone * inputs.LocalRunning);
    }

    /// <summary>Seconds that streams wait when the prompt is computed elsewhere.</summary>
    public static double Remote(in HandoverInputs inputs) =>
        RemoteAlone(inputs) + (inputs.RemoteTokens / RemoteSpeed(inputs).Alone * inputs.RemoteRunning);

    /// <summary>Seconds that the request alone waits when its prompt is computed elsewhere. The slower of computing and sending decides.</summary>
    public static double RemoteAlone(in HandoverInputs inputs)
    {
        double rate = RemoteSpeed(inputs).Beside;
        return (inputs.RemotePending / rate) + Math.Max((inputs.RemoteTokens / rate) + inputs.LastTransferSeconds, inputs.TransferSeconds) + OverheadSeconds;
    }

    private static Speed LocalSpeed(in HandoverInputs inputs) => Of(LocalMeasured(inputs), inputs.LocalRunning, RemoteMeasured(inputs));

    private static Speed RemoteSpeed(in HandoverInputs inputs) => Of(RemoteMeasured(inputs), inputs.RemoteRunning, LocalMeasured(inputs));

    private static Speed LocalMeasured(in HandoverInputs inputs) => new(inputs.LocalRate, inputs.LocalRateBeside);

    private static Speed RemoteMeasured(in HandoverInputs inputs) => new(inputs.RemoteRate, inputs.RemoteRateBeside);

    /// <summary>A device that has not been measured yet is taken to be as fast as the other.</summary>
    private static Speed Of(Speed own, int running, Speed other)
    {
        double alone = own.Alone > 0 ? own.Alone : other.Alone > 0 ? other.Alone : AssumedRate;
        bool isLikeOther = own.Alone <= 0 && running > 0 && other.Beside > 0;
        return new Speed(alone, own.Beside > 0 ? own.Beside : isLikeOther ? other.Beside : alone);
    }

    /// <summary>Prompt tokens per second in steps of their own, and in those of the moment.</summary>
    private readonly record struct Speed(double Alone, double Beside);
}
