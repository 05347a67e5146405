
namespace ServingGrid.Client.Placement;

/// <summary>
/// What the director that places a request needs to know of it. Travels beside the first call in Orleans' request context, because
/// a director sees the grain's key and this, not the call's arguments.
/// </summary>
public static class PlacementHints
{
    private const string ModelKey = "servinggrid.model";
    private const string TokensKey = "servinggrid.tokens";
    private const string HashesKey = "servinggrid.hashes";
    private const string AvoidKey = "servinggrid.avoid";
    private const string NumericsKey = "servinggrid.numerics";
    private const string HomeKey = "servinggrid.home";

    /// <summary>Sets the hints for the calls that the current asynchronous flow starts from here on.</summary>
    /// <param name="model">The model asked for.</param>
    /// <param name="tokens">Tokens to prefill, cached or not.</param>
    /// <param name="blockHashes">
    /// Low 8 bytes of the chained hash of each full block of the prompt, once for each class of arithmetic that may serve it.
    /// </param>
    /// <param name="avoid">Devices that earlier attempts lost.</param>
    /// <param name="numerics">The class that it has to be served in; null: any.</param>
    public static void Set(string model, int tokens, ulong[][] blockHashes, string[] avoid, string? numerics = null)
    {
        RequestContext.Set(ModelKey, model);
        RequestContext.Set(TokensKey, tokens);
        RequestContext.Set(HashesKey, blockHashes);
        RequestContext.Set(AvoidKey, avoid);
        if (numerics is not null)
        {
            RequestContext.Set(NumericsKey, numerics);
        }
    }

    /// <summary>
    /// Sets the device that a request runs on, for the calls after the first: no directory knows it, so that none has to be asked when a request
    /// starts, and the silo that a call comes in by may be another one than before.
    /// </summary>
    public static void SetHome(string device) => RequestContext.Set(HomeKey, device);

    /// <summary>Removes what <see cref="Set"/> and <see cref="SetHome"/> have set.</summary>
    public static void Clear()
    {
        RequestContext.Remove(ModelKey);
        RequestContext.Remove(TokensKey);
        RequestContext.Remove(HashesKey);
        RequestContext.Remove(AvoidKey);
        RequestContext.Remove(NumericsKey);
        RequestContext.Remove(HomeKey);
    }

    /// <summary>Reads the hints from the data that a director gets; absent ones are empty.</summary>
    public static (string Model, int Tokens, ulong[][] BlockHashes, string[] Avoid, string? Numerics) Read(
        Dictionary<string, object>? data) => (
        Get(data, ModelKey) as string ?? "",
        Get(data, TokensKey) as int? ?? 0,
        Get(data, HashesKey) as ulong[][] ?? [],
        Get(data, AvoidKey) as string[] ?? [],
        Get(data, NumericsKey) as string);

    /// <summary>The device of a request that runs already, or null.</summary>
    public static string? ReadHome(Dictionary<string, object>? data) => Get(data, HomeKey) as string;

    private static object? Get(Dictionary<string, object>? data, string key) => data?.GetValueOrDefault(key);
}
