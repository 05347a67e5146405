using ServingGrid.Gateway.Hosting;

return await GatewayProgram.RunAsync(args);
