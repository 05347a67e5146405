using System.Net;
using ServingGrid.Client;
using ServingGrid.Grains.Grid;
using ServingGrid.Kernels;

namespace ServingGrid.Grains.Tests.Routing;

/// <summary>Device reports for tests.</summary>
internal static class FakeDevices
{
    public static DeviceIdentity Identity(int number, string fingerprint = "f", int blockSize = 32, KvType kvType = KvType.F16) => new()
    {
        Id = $"silo{number}/cpu",
        Silo = SiloAddress.New(IPAddress.Loopback, 10_000 + number, 1),
        Hardware = "test",
        Model = new ModelCard
        {
            Name = "m",
            Fingerprint = fingerprint,
            ContextLength = 4096,
            VocabularySize = 100,
            BlockSize = blockSize,
            Created = DateTimeOffset.UnixEpoch,
        },
        KvType = kvType,
        TransferEndpoint = $"127.0.0.1:{20_000 + number}",
        Numerics = "n",
    };

    public static DeviceLoad Load(int running = 0, long pending = 0, int held = 0, DeviceRole role = DeviceRole.Both, DeviceState state = DeviceState.Serving) => new()
    {
        Role = role,
        State = state,
        Running = running,
        Waiting = 0,
        PendingPromptTokens = pending,
        PendingAheadOf128 = pending,
        PendingAheadOf512 = pending,
        PendingAheadOf2048 = pending,
        TotalBlocks = 1000,
        FreeBlocks = 1000 - held,
        PrefillTokensPerSecond = 0,
        DecodeStepSeconds = 0,
    };

    public static DeviceEntry Entry(int number, DeviceLoad? load = null, TimeSpan age = default, string numerics = "n") =>
        new() { Device = Identity(number) with { Numerics = numerics }, Load = load ?? Load(), Age = age };

    public static BlockBatch Blocks(int number, long version, params ulong[] hashes) =>
        new() { Version = version, DeviceId = Identity(number).Id, Reset = false, Stored = hashes, Removed = [] };

    public static GridUpdate Update(DeviceEntry[] devices, params BlockBatch[] blocks) =>
        new() { Epoch = Guid.Empty, Version = 1, Devices = devices, Blocks = blocks, More = false, ResendBlocks = false };
}
