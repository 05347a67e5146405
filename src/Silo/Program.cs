Console.Error.WriteLine("The silo host follows.");
return 1;
