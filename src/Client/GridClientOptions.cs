using Microsoft.Extensions.Options;

namespace ServingGrid.Client;

/// <summary>How patient a <see cref="GridClient"/> is.</summary>
public sealed class GridClientOptions
{
    /// <summary>
    /// Longest gap between two items of a stream (heartbeats included, which come every 500 ms) before the silo counts as lost
    /// and the request goes on elsewhere. 1 s … 60 s.
    /// </summary>
    public TimeSpan StallTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The same for the first item, which includes placement and activation. 1 s … 60 s.
    /// </summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(4);

    /// <summary>
    /// An attempt that has shown nothing for so long gets another one beside it; the first to answer goes on, the other is cancelled. Null: never,
    /// for a grid of one silo. 100 ms … 60 s.
    /// </summary>
    public TimeSpan? HedgeAfter { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// A request of which no silo gives a sign of life (token or heartbeat) for this long, over all its attempts, ends in
    /// <see cref="GridError.Unavailable"/>. 1 s … 10 min.
    /// </summary>
    public TimeSpan RecoveryTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Most attempts at one request, the first included. 1 … 100.</summary>
    public int MaxAttempts { get; set; } = 20;

    /// <summary>
    /// Whether an answer may go on in another class of arithmetic when no device of the one that it began in is left: with other tokens
    /// than it would have had, and an item that says so (<see cref="TextUpdate.Numerics"/>). Otherwise it ends in <see
    /// cref="GridError.Unavailable"/>, after the time that a device had to come back.
    /// </summary>
    public bool AllowNumericsChange { get; set; }

    /// <summary>Longest time to fetch a model's tokenizer and template from the grid. 1 s … 10 min.</summary>
    public TimeSpan ModelTimeout { get; set; } = TimeSpan.FromSeconds(30);
}

internal sealed class GridClientOptionsValidator : IValidateOptions<GridClientOptions>
{
    public ValidateOptionsResult Validate(string? name, GridClientOptions options)
    {
        List<string> failures = [];
        Range(nameof(options.StallTimeout), options.StallTimeout, 1, 60);
        Range(nameof(options.StartTimeout), options.StartTimeout, 1, 60);
        Range(nameof(options.HedgeAfter), options.HedgeAfter ?? TimeSpan.FromSeconds(1), 0.1, 60);
        Range(nameof(options.RecoveryTimeout), options.RecoveryTimeout, 1, 600);
        Range(nameof(options.ModelTimeout), options.ModelTimeout, 1, 600);
        if (options.MaxAttempts is < 1 or > 100)
        {
            failures.Add($"{nameof(options.MaxAttempts)} must be 1 … 100, not {options.MaxAttempts}.");
        }

        return failures.Count > 0 ? ValidateOptionsResult.Fail(failures) : ValidateOptionsResult.Success;

        void Range(string option, TimeSpan value, double from, double to)
        {
            if (value < TimeSpan.FromSeconds(from) || value > TimeSpan.FromSeconds(to))
            {
                failures.Add($"{option} must be {from} … {to} seconds, not {value.TotalSeconds:0.###}.");
            }
        }
    }
}
