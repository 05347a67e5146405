using System.Reflection;
using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;

namespace ServingGrid.Kernels.Ilgpu.Programs;

/// <summary>
/// Products and sums whose rounding no compiler may choose. ILGPU writes mul and add without a rounding mode, which ptxas may
/// contract in one kernel, or one turn of an unrolled loop, and leave apart in another; a row's result would then depend on
/// where it is computed. In PTX these are fma.rn and mul.rn, which are never split and never contracted. MultiplyAdd is for CUDA alone.
/// </summary>
internal static class FusedMath
{
    [IntrinsicImplementation]
    public static float MultiplyAdd(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);

    [IntrinsicImplementation]
    public static float Multiply(float a, float b) => a * b;

    /// <summary>Makes the PTX back end of contexts built with <paramref name="builder"/> know the instruction.</summary>
    public static Context.Builder EnableFusedMath(this Context.Builder builder)
    {
        Register(nameof(MultiplyAdd), nameof(GenerateMultiplyAdd));
        Register(nameof(Multiply), nameof(GenerateMultiply));
        builder.GetIntrinsicManager().RegisterMethod(
            typeof(FusedMath).GetMethod(nameof(Multiply))!,
            new CLIntrinsic(typeof(FusedMath).GetMethod(nameof(PlainMultiply), BindingFlags.Static | BindingFlags.NonPublic)!, IntrinsicImplementationMode.Redirect));
        return builder;

        void Register(string method, string generator) =>
            builder.GetIntrinsicManager().RegisterMethod(
                typeof(FusedMath).GetMethod(method)!,
                new PTXIntrinsic(typeof(FusedMath).GetMethod(generator, BindingFlags.Static | BindingFlags.NonPublic)!, IntrinsicImplementationMode.GenerateCode));
    }

    // OpenCL C contracts only inside an expression, and ILGPU writes every operation as a statement.
    private static float PlainMultiply(float a, float b) => a * b;

    // The back end is a parameter because PTXIntrinsic.Handler has it.
    private static void GenerateMultiplyAdd(PTXBackend _, PTXCodeGenerator generator, Value call) => Generate("fma.rn.f32", generator, call);

    private static void GenerateMultiply(PTXBackend _, PTXCodeGenerator generator, Value call) => Generate("mul.rn.f32", generator, call);

    private static void Generate(string instruction, PTXCodeGenerator generator, Value call)
    {
        var arguments = call.Nodes.ToArray().Select(node => generator.LoadPrimitive(node)).ToArray();
        var result = generator.AllocateHardware(call);
        using var command = generator.BeginCommand(instruction);
        command.AppendArgument(result);
        foreach (var argument in arguments)
        {
            command.AppendArgument(argument);
        }
    }
}
