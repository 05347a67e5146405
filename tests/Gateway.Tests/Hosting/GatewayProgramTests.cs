using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using ServingGrid.Gateway.Hosting;

namespace ServingGrid.Gateway.Tests.Hosting;

public sealed class GatewayProgramTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(true, true, 1)]
    [InlineData(true, false, 1)]
    [InlineData(false, true, 0)]
    [InlineData(false, false, 0)]
    public async Task Serve_AServiceEndsTheHost_ExitCodeTellsFailureFromOrder(bool fails, bool whileStarting, int code)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddHostedService(services => new Ending(services.GetRequiredService<IHostApplicationLifetime>(), fails, afterStart: !whileStarting));
        if (whileStarting)
        {
            builder.Services.AddHostedService<NeverStarted>();
        }

        await using WebApplication app = builder.Build();
        Assert.Equal(code, await GatewayProgram.ServeAsync(app, () => Task.FromResult("")).WaitAsync(Patience));
    }

    private sealed class Ending(IHostApplicationLifetime lifetime, bool fails, bool afterStart) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            if (afterStart)
            {
                var started = new TaskCompletionSource();
                lifetime.ApplicationStarted.Register(started.SetResult);
                await started.Task;
            }

            if (fails)
            {
                throw new InvalidOperationException("broken");
            }

            lifetime.StopApplication();
        }
    }

    private sealed class NeverStarted : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
