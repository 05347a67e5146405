Console.Error.WriteLine("The gateway follows.");
return 1;
