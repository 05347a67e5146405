using System.Collections;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using ServingGrid.Client;
using ServingGrid.Grains.Devices;
using ServingGrid.Grains.Disaggregation;
using ServingGrid.Grains.Grid;
using ServingGrid.Grains.Tests.Routing;
using ServingGrid.Grains.Transfer;

namespace ServingGrid.Grains.Tests.Cluster;

/// <summary>Every message survives its journey: a member without an id would come back as its default.</summary>
public sealed class SerializationTests
{
    private static readonly Serializer Serializer = new ServiceCollection().AddSerializer().BuildServiceProvider().GetRequiredService<Serializer>();

    private static readonly GenerateAttempt Attempt = new()
    {
        Request = new GenerateRequest
        {
            RequestId = "r",
            Model = "m",
            Prompt = [1, 2],
            MaxTokens = 3,
            MinTokens = 2,
            IgnoreEos = true,
            StopStrings = ["x"],
            CacheSalt = "s",
            Priority = 4,
            Fingerprint = "f",
            Sampling = new SamplingOptions
            {
                Temperature = 0.5f,
                TopK = 4,
                TopP = 0.9f,
                MinP = 0.1f,
                RepetitionPenalty = 1.1f,
                PresencePenalty = 0.2f,
                FrequencyPenalty = 0.3f,
                LogitBias = new Dictionary<int, float> { [5] = 1.5f },
                Seed = 42,
                LogProbabilities = 2,
            },
        },
        Number = 2,
        Generated = [7],
        Avoid = ["d"],
        Numerics = "n",
        ChangedFrom = "o",

        // References to clients exist in a running grid only: TokenPushTests sends one.
        Push = new TokenRoute(null!, 8),
    };

    private static readonly GeneratedToken Token = new(5) { LogProbability = -0.5f, Top = [new TokenLogProbability(5, -0.5f)] };

    private static readonly HandoverSnapshot Handovers = new()
    {
        Mode = DisaggregationMode.Always,
        Remote = 1,
        Local = 2,
        LocalFallback = 3,
        LastInputs = new HandoverInputs(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
        Peers = [new PrefillPeer("p", 1.5, 2, TimeSpan.FromSeconds(3))],
    };

    private static readonly SiloDetails Details = new()
    {
        CachedBlocks = 1,
        ViewAge = 0.2,
        ViewIsFresh = true,
        ViewDevices = 3,
        ViewBlocks = 4,
        RequestCount = 5,
        Requests = [new RequestStatus { Id = "r", Attempt = 1, Stage = "decode", Age = 0.3, PromptTokens = 4, GeneratedTokens = 5, ChangedFrom = "o" }],
        Counters = new Dictionary<string, long> { ["c"] = 6 },
        Engine = new EngineTroubles
        {
            FailedSteps = 7,
            TransientFailures = 8,
            BlamedSequences = 9,
            Recoveries = 10,
            LastRecoverySeconds = 0.11,
            LastFailure = "f",
        },
    };

    public static TheoryData<object> Messages =>
    [
        Attempt,
        new GenerateUpdate
        {
            Tokens = [Token],
            Finish = FinishReason.Length,
            Usage = new GenerateUsage { PromptTokens = 1, CachedTokens = 2, CompletionTokens = 3 },
            Device = "d",
            Numerics = "n",
            Placed = FakeDevices.Identity(1).Silo,
        },
        new PushedTokens(1, 2, [Token], "n"),
        FakeDevices.Identity(1).Model with { Numerics = ["n"] },
        new ModelHeaderPiece { Fingerprint = "f", TotalBytes = 10, Bytes = [1, 2] },
        new DeviceReport
        {
            Device = FakeDevices.Identity(1),
            Load = FakeDevices.Load(1, 2, 3, DeviceRole.Decode, DeviceState.Draining) with { Waiting = 9, PrefillTokensPerSecond = 1.5, DecodeStepSeconds = 2.5 },
            Blocks = new BlockChanges { After = 1, LastId = 2, Reset = true, Stored = [3], Removed = [4] },
            AdmittedFor = TimeSpan.FromSeconds(5),
        },
        FakeDevices.Update(
            [FakeDevices.Entry(1, age: TimeSpan.FromSeconds(3))], FakeDevices.Blocks(1, 2, 3) with { Reset = true, Removed = [4] }) with
        {
            Epoch = Guid.NewGuid(),
            Version = 7,
            More = true,
            ResendBlocks = true,
            Refused = "no",
            Silo = FakeDevices.Identity(3).Silo,
            Undecided = true,
        },
        new CatalogAnswer([FakeDevices.Identity(1).Model], true),
        new DeviceDetails(Details, Handovers),
        new GridHealth { Models = ["m"], Reason = "r" },
        new PrefillOrder { Attempt = Attempt, SkipTokens = 32, Target = new KvTarget("h:1", 2, 3), Numerics = "n" },
        new PrefillAnswer(Token, 64, 1 << 20, TimeSpan.FromSeconds(2)),
        new GridStatus
        {
            At = DateTimeOffset.UnixEpoch.AddSeconds(5),
            Models = [FakeDevices.Identity(1).Model],
            Devices =
            [
                new DeviceStatus
                {
                    Id = "d",
                    Silo = "s",
                    Model = "m",
                    Role = "both",
                    State = "serving",
                    Hardware = "h",
                    KvType = "f16",
                    Numerics = "n",
                    TransferEndpoint = "e",
                    ReportAge = 0.1,
                    Running = 1,
                    Waiting = 2,
                    PendingPromptTokens = 3,
                    TotalBlocks = 4,
                    FreeBlocks = 5,
                    KvUsage = 0.6,
                    PrefillTokensPerSecond = 7,
                    DecodeStepSeconds = 8,
                    Handovers = new HandoverStatus
                    {
                        Mode = "auto",
                        Remote = 1,
                        Local = 2,
                        LocalFallback = 3,
                        Last = new HandoverEstimate
                        {
                            LocalTokens = 4,
                            LocalPendingTokens = 5,
                            LocalTokensPerSecond = 6,
                            LocalRunning = 7,
                            RemoteTokens = 8,
                            RemotePendingTokens = 9,
                            RemoteTokensPerSecond = 10,
                            RemoteRunning = 11,
                            TransferSeconds = 12,
                            LocalSeconds = 13,
                            RemoteSeconds = 14,
                            LocalTokensPerSecondBeside = 18,
                            RemoteTokensPerSecondBeside = 19,
                        },
                        Peers = [new PrefillPeerStatus { Device = "d", TransferBytesPerSecond = 15, Failures = 16, OutFor = 17 }],
                    },
                    Details = Details,
                },
            ],
        },
    ];

    [Theory]
    [MemberData(nameof(Messages))]
    public void RoundTrip_EveryMember_Kept(object message) => AssertSame(message, Serializer.Deserialize<object>(Serializer.SerializeToArray(message)), message.GetType().Name);

    [Fact]
    public void RoundTrip_GridException_KeepsKindAndDetails()
    {
        GridException? copy = Serializer.Deserialize<GridException>(Serializer.SerializeToArray(
            new GridException(GridError.Overloaded, "full") { RetryAfter = TimeSpan.FromSeconds(2), Parameter = "p", Device = "d" }));

        Assert.Equal((GridError.Overloaded, "full", TimeSpan.FromSeconds(2), "p", "d"), (copy!.Error, copy.Message, copy.RetryAfter, copy.Parameter, copy.Device));
    }

    /// <summary>A message type without a case above would go untested.</summary>
    [Fact]
    public void Messages_EveryType_HasACase()
    {
        HashSet<Type> seen = [typeof(GridException)];
        foreach (object message in Messages.Select(row => row.Data))
        {
            Collect(message, seen);
        }

        IEnumerable<Type> messages = new[] { typeof(GenerateRequest).Assembly, typeof(IDecodeGrain).Assembly }
            .SelectMany(assembly => assembly.GetTypes())
            .Where(type => type is { IsEnum: false, Namespace: not null } && type.Namespace.StartsWith("ServingGrid", StringComparison.Ordinal) && type.GetCustomAttribute<GenerateSerializerAttribute>() is not null);
        Assert.Empty(messages.Except(seen));
    }

    private static void Collect(object? value, HashSet<Type> seen)
    {
        switch (value)
        {
            case null or string or SiloAddress:
                return;
            case IEnumerable items:
                foreach (object? item in items)
                {
                    Collect(item, seen);
                }

                return;
            default:
                seen.Add(value.GetType());
                foreach (PropertyInfo property in Members(value.GetType()))
                {
                    Collect(property.GetValue(value), seen);
                }

                return;
        }
    }

    private static void AssertSame(object? expected, object? actual, string path)
    {
        switch (expected)
        {
            case null:
                Assert.True(actual is null, path);
                return;
            case string or SiloAddress:
                Assert.Equal(expected, actual);
                return;
            case IEnumerable items:
                object?[] left = [.. items.Cast<object?>()], right = [.. ((IEnumerable)actual!).Cast<object?>()];
                Assert.True(left.Length == right.Length, path);
                for (int i = 0; i < left.Length; i++)
                {
                    AssertSame(left[i], right[i], $"{path}[{i}]");
                }

                return;
            default:
                PropertyInfo[] members = Members(expected.GetType());
                if (members.Length == 0)
                {
                    Assert.True(expected.Equals(actual), $"{path}: {expected} came back as {actual}");
                }

                foreach (PropertyInfo property in members)
                {
                    AssertSame(property.GetValue(expected), property.GetValue(actual), $"{path}.{property.Name}");
                }

                return;
        }
    }

    /// <summary>Members of our own types; everything else is compared as a whole.</summary>
    private static PropertyInfo[] Members(Type type) => type.Namespace?.StartsWith("ServingGrid", StringComparison.Ordinal) == true && !type.IsEnum
        ? [.. type.GetProperties().Where(property => property.GetIndexParameters().Length == 0 && property.CanRead && property.Name != "EqualityContract" && (property.CanWrite || property.SetMethod is not null))]
        : [];
}
