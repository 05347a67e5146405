Console.Error.WriteLine("The benchmarks follow.");
return 1;
