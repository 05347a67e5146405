using StackExchange.Redis;

namespace ServingGrid.Client.Clustering;

/// <summary>What follows <c>redis:</c>: HOST:PORT, or any configuration string of StackExchange.Redis (password, TLS, several servers).</summary>
internal static class RedisStore
{
    /// <exception cref="ClusterStoreException">It makes no sense.</exception>
    public static ConfigurationOptions Parse(string connection)
    {
        try
        {
            ConfigurationOptions options = ConfigurationOptions.Parse(connection);

            // The grid goes on while its store is away; the connection comes back by itself.
            options.AbortOnConnectFail = false;
            return options;
        }
        catch (ArgumentException exception)
        {
            // The message must not repeat the connection: it may hold a password.
            throw new ClusterStoreException("What follows 'redis:' is neither HOST:PORT nor a configuration string of StackExchange.Redis.", exception);
        }
    }
}
