using System.Net;

namespace ServingGrid.Gateway.Http;

/// <summary>
/// Keeps web pages of others away from a server that asks for no key: a browser on the server's machine would carry their requests to it.
/// What a page of another
/// origin sends names that origin; a page whose own name was made to lead to this machine (DNS rebinding) is known by that name, in
/// <c>Host</c>.
/// </summary>
internal static class WebPages
{
    private const string CrossSite = "cross-site";

    /// <summary>Why a request is refused, as one sentence; null: it is not.</summary>
    /// <param name="request">The request.</param>
    /// <param name="allowedHosts">Names that this server goes by, besides addresses and those of the loopback interface; in lower case,
    /// without a final dot.</param>
    /// <param name="anyHost">Do not look at <c>Host</c>: for probes, which know the server by any name.</param>
    public static string? Refuse(HttpRequest request, IReadOnlySet<string> allowedHosts, bool anyHost = false)
    {
        if (request.Headers["Sec-Fetch-Site"].Any(site => string.Equals(site?.Trim(), CrossSite, StringComparison.OrdinalIgnoreCase)))
        {
            return "Requests from web pages of other sites are refused.";
        }

        foreach (string? origin in request.Headers.Origin)
        {
            if (!IsOwn(origin, request.Host))
            {
                return "Requests from web pages of other origins are refused.";
            }
        }

        return anyHost || IsKnown(request.Host, allowedHosts)
            ? null
            : "The name in 'Host' is not one of this server's: it must be localhost, an IP address or one of --allowed-hosts.";
    }

    /// <summary>A name as <c>--allowed-hosts</c> has it in the form that requests are compared in; null: it is no name of a host.</summary>
    public static string? Normalize(string host) =>
        Uri.CheckHostName(Trim(host)) == UriHostNameType.Dns ? Trim(host).ToLowerInvariant() : null;

    // A request without a name is of no browser.
    private static bool IsKnown(HostString host, IReadOnlySet<string> allowedHosts)
    {
        string name = Name(host);
        return name.Length == 0
            || name == "localhost"
            || name.EndsWith(".localhost", StringComparison.Ordinal)
            || IPAddress.TryParse(name.Trim('[', ']'), out _)
            || allowedHosts.Contains(name);
    }

    // The scheme may differ: a proxy in front of us may speak TLS.
    private static bool IsOwn(string? origin, HostString host)
    {
        if (!Uri.TryCreate(origin, UriKind.Absolute, out Uri? page) || page.Scheme is not ("http" or "https") || page.Authority.Length == 0)
        {
            return false;
        }

        int defaultPort = page.Scheme == Uri.UriSchemeHttps ? 443 : 80;
        return Trim(page.Host).Equals(Name(host), StringComparison.OrdinalIgnoreCase) && page.Port == (host.Port ?? defaultPort);
    }

    private static string Name(HostString host) => Trim(host.Host).ToLowerInvariant();

    private static string Trim(string name) => name.EndsWith('.') ? name[..^1] : name;
}
