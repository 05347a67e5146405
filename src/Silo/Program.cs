return await ServingGrid.Silo.SiloProgram.RunAsync(args);
