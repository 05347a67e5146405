using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ServingGrid.Testing.Network;

/// <summary>A network namespace that is removed when disposed; one that a killed process left is removed when the next is made.</summary>
public sealed class NetworkNamespace : IAsyncDisposable
{
    // Where ip(8) keeps them.
    private const string Folder = "/run/netns";
    private const string Prefix = "sg";
    private static int _made;

    private NetworkNamespace(string name) => Name = name;

    /// <summary>Its name: of the process that made it, and short enough to begin an interface's name.</summary>
    public string Name { get; }

    /// <summary>What runs a program in the namespace; the process is the program itself.</summary>
    public string[] Launcher => ["ip", "netns", "exec", Name];

    /// <summary>Makes one, with its loopback interface up.</summary>
    /// <exception cref="IOException">That is not possible here: <see cref="Exception.Message"/> says why.</exception>
    public static async Task<NetworkNamespace> CreateAsync()
    {
        await RemoveLeftOversAsync();
        var created = new NetworkNamespace($"{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _made)}");
        await IpCommand.RunAsync("netns", "add", created.Name);
        try
        {
            await IpCommand.RunAsync("-n", created.Name, "link", "set", "lo", "up");
            return created;
        }
        catch
        {
            await created.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs something in the namespace: a socket made there stays there.</summary>
    public Task<T> RunAsync<T>(Func<T> action)
    {
        // A thread of its own that ends with it: which namespace a thread is in must not be forgotten.
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                using SafeFileHandle file = File.OpenHandle(Path.Combine(Folder, Name), share: FileShare.ReadWrite);
                if (Libc.EnterNamespace(file, Libc.NetworkNamespace) < 0)
                {
                    throw new IOException($"the network namespace {Name} cannot be entered: {Marshal.GetLastPInvokeErrorMessage()}");
                }

                result.SetResult(action());
            }
            catch (Exception exception)
            {
                result.SetException(exception);
            }
        });
        thread.Start();
        return result.Task;
    }

    public async ValueTask DisposeAsync() => await IpCommand.RunAsync("netns", "del", Name);

    private static async Task RemoveLeftOversAsync()
    {
        string[] names = Directory.Exists(Folder) ? [.. Directory.EnumerateFiles(Folder, $"{Prefix}*-*").Select(path => Path.GetFileName(path))] : [];
        foreach (string name in names)
        {
            if (int.TryParse(name[Prefix.Length..name.IndexOf('-')], out int process) && !Directory.Exists($"/proc/{process}"))
            {
                try
                {
                    await IpCommand.RunAsync("netns", "del", name);
                }
                catch (IOException) when (!File.Exists(Path.Combine(Folder, name)))
                {
                    // Another process has seen it, too.
                }
            }
        }
    }
}
