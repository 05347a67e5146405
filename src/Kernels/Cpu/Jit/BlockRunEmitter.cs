using Iced.Intel;
using ServingGrid.Kernels.Cpu.Attention;
using static Iced.Intel.AssemblerRegisters;
using static ServingGrid.Kernels.Cpu.Jit.RowRegisters;

namespace ServingGrid.Kernels.Cpu.Jit;

/// <summary>
/// Emits <see cref="BlockProduct.RunBlocks"/> for AVX-512: for each block the scores of all heads, then their softmax (<see cref="SoftmaxEmitter"/>), then their weighted
/// values. The two products are those of the cache's type: <see cref="HalfRunEmitter"/>, <see cref="Q8RunEmitter"/>.
/// </summary>
/// <remarks>
/// <para>
/// All heads of a block together read it from its beginning to its end, 24 KB for three heads of 64. Taken head by head, each block
/// was 4 KB here and 4 KB there, which memory answers a fifth slower; and nine independent rows of two vectors hide the latency of their softmax.
/// </para>
/// <para>
/// Regions are asked for into the second-level cache, line by line, some of them ahead (<see cref="BlockRun.RegionsAhead"/>). To ask for the first line of a
/// page waits for its translation (Zen 4 retires nothing behind it until then), so where a region fills a page those of a whole block are asked for together, and wait once.
/// </para>
/// <code>
/// rdi arguments   rbx where the address of the region is   r12 blocks left   rbp heads left   r13 distance of what is asked for   r15 states of the head
/// keys:    r14 queries of the head   r8 its scores   rcx keys   r9 steps left   rax a   rdx, rsi, r10, r11: 1, 3, 5, 7 strides of a
/// softmax: r9 scores of the head   rsi its states   rbp heads or rows left; see SoftmaxEmitter
/// values:  r14 probabilities of the head   rcx values   r8 their stride   r9 steps left   rax a   r10 stripe   r11 its sums   rsi dimensions left   rdx temporary
/// zmm0–15 sums   zmm16–19 keys or values   k2 rows whose maximum must be raised   zmm18–30 softmax
/// </code>
/// </remarks>
internal abstract class BlockRunEmitter(Assembler code, int rows)
{
    protected const int Unrolled = 8;
    protected const int LineBytes = 64;
    protected const int ScoreStride = BlockProduct.Columns * sizeof(float);
    protected const int StripeBytes = BlockProduct.Columns * sizeof(float);
    protected const int RowStride = 8;
    protected const int HeadSize = 40;

    // Two stripes of values at a time, as long as their sums fit into registers: then rows of 64 dimensions are read from end to end.
    private const int MostRowsOfTwoStripes = 4;
    private const int Regions = 16;
    private const int Count = 24;
    private const int Heads = 32;
    private const int Ahead = 48;
    private const int ValueStride = 56;
    private const int Scores = 64;
    private const int States = 72;
    private const int StateStride = 80;
    private const int Fresh = 88;

    private static readonly AssemblerRegister64[] Saved = [rbx, rbp, r12, r13, r14, r15];

    private readonly SoftmaxEmitter _softmax = new(code, rows);

    /// <summary>Whether a region takes whole pages.</summary>
    protected abstract bool FillsPages { get; }

    protected Assembler Code => code;

    protected int Rows => rows;

    public void Emit()
    {
        Array.ForEach(Saved, code.push);
        code.mov(rbx, __qword_ptr[rdi + Regions]);
        code.mov(r12, __qword_ptr[rdi + Count]);
        _softmax.Constants();
        Label block = code.CreateLabel();
        Label stop = code.CreateLabel();
        code.Label(ref block);
        AllKeys(stop);
        AllProbabilities();
        AllValues();
        code.dec(r12);
        code.jnz(block);
        code.Label(ref stop);
        code.mov(rax, __qword_ptr[rdi + Count]);
        code.sub(rax, r12);
        code.vzeroupper();
        Array.ForEach([.. Saved.Reverse()], code.pop);
        code.ret();
    }

    /// <summary>Scores of a head into <see cref="First"/> and <see cref="Second"/>, rows <c>rdx</c> bytes apart. May use rax, rcx, rsi, r9, r10, r11, zmm16–19.</summary>
    protected abstract void Keys();

    /// <summary>Before the values of a head. May use rax, rdx, r9, zmm0–19.</summary>
    protected virtual void BeginValues()
    {
    }

    /// <summary>One or two stripes of a head's values, at r10, added to the sums at r11. May use rax, rdx, rcx, r9, zmm0–19.</summary>
    protected abstract void Values(int stripes);

    /// <summary>Asks for lines as far behind <c>rcx</c> as those that are read, and by <paramref name="offset"/> bytes more, in a later region.</summary>
    protected void Prefetch(int lines, int offset)
    {
        for (int line = 0; line < lines; line++)
        {
            code.prefetcht1(__byte_ptr[rcx + r13 + (offset + (line * LineBytes))]);
        }
    }

    /// <summary>Moves the sums of stripes, at r11, or does something else with them. Uses rdx.</summary>
    protected void Sums(int vectors, Action<int, int, AssemblerMemoryOperand> move)
    {
        code.mov(rdx, r11);
        for (int t = 0; t < rows; t++)
        {
            for (int j = 0; j < vectors; j++)
            {
                move(t, j, __zmmword_ptr[rdx + (j * LineBytes)]);
            }

            code.add(rdx, __qword_ptr[rdi + StateStride]);
        }
    }

    protected static AssemblerRegisterZMM Sum(int row, int vector, int vectors) => new(Register.ZMM0 + (row * vectors) + vector);

    protected static AssemblerRegisterZMM Wide(int vector) => new(Register.ZMM16 + vector);

    private void AllKeys(Label stop)
    {
        code.mov(r14, __qword_ptr[rdi]);
        code.mov(r15, __qword_ptr[rdi + States]);
        code.mov(r8, __qword_ptr[rdi + Scores]);
        code.mov(rbp, __qword_ptr[rdi + Heads]);
        code.kxorw(k2, k2, k2);
        if (FillsPages)
        {
            TouchNextBlock();
        }

        Label head = code.CreateLabel();
        Label first = code.CreateLabel();
        Label next = code.CreateLabel();
        code.Label(ref head);
        NextRegion();
        Keys();
        for (int t = 0; t < rows; t++)
        {
            code.vmovups(__zmmword_ptr[r8 + (t * ScoreStride)], First(t));
            code.vmovups(__zmmword_ptr[r8 + (t * ScoreStride) + LineBytes], Second(t));
            code.add(r14, rdx);
        }

        code.add(r8, rows * ScoreStride);
        code.mov(rcx, __qword_ptr[rdi + StateStride]);
        code.cmp(__qword_ptr[rdi + Fresh], 0);
        code.jne(first);
        _softmax.Compare(r15, rcx);
        code.jmp(next);
        code.Label(ref first);
        _softmax.Begin(r15, rcx, stop);
        code.Label(ref next);
        code.dec(rbp);
        code.jnz(head);
        Label settled = code.CreateLabel();
        code.kortestw(k2, k2);
        code.jz(settled);
        AllRows();
        CountRows();
        _softmax.StopUnlessNumbers(stop);
        AllRows();
        CountRows();
        _softmax.Raise();
        code.Label(ref settled);
        code.mov(__qword_ptr[rdi + Fresh], 0);
    }

    private void AllProbabilities()
    {
        AllRows();
        code.mov(rbp, __qword_ptr[rdi + Heads]);
        Label head = code.CreateLabel();
        code.Label(ref head);
        for (int t = 0; t < rows; t++)
        {
            code.vmovups(First(t), __zmmword_ptr[r9 + (t * ScoreStride)]);
            code.vmovups(Second(t), __zmmword_ptr[r9 + (t * ScoreStride) + LineBytes]);
        }

        _softmax.Probabilities();
        code.dec(rbp);
        code.jnz(head);
    }

    private void AllValues()
    {
        code.mov(r14, __qword_ptr[rdi + Scores]);
        code.mov(r15, __qword_ptr[rdi + States]);
        code.add(r15, AttentionGeometry.StateOutput * sizeof(float));
        code.mov(r8, __qword_ptr[rdi + ValueStride]);
        code.mov(rbp, __qword_ptr[rdi + Heads]);
        Label head = code.CreateLabel();
        code.Label(ref head);
        NextRegion();
        BeginValues();
        code.mov(r10, rcx);
        code.mov(r11, r15);
        code.mov(rsi, __qword_ptr[rdi + HeadSize]);
        Label done = code.CreateLabel();
        Label single = code.CreateLabel();
        if (rows <= MostRowsOfTwoStripes)
        {
            Label pair = code.CreateLabel();
            code.Label(ref pair);
            code.cmp(rsi, 2 * BlockProduct.Columns);
            code.jb(single);
            Stripes(2);
            code.sub(rsi, 2 * BlockProduct.Columns);
            code.jnz(pair);
            code.jmp(done);
        }

        code.Label(ref single);
        Stripes(1);
        code.sub(rsi, BlockProduct.Columns);
        code.jnz(single);
        code.Label(ref done);
        code.mov(rdx, __qword_ptr[rdi + StateStride]);
        for (int t = 0; t < rows; t++)
        {
            code.add(r15, rdx);
        }

        code.add(r14, rows * ScoreStride);
        code.dec(rbp);
        code.jnz(head);
    }

    private void Stripes(int count)
    {
        Values(count);
        code.add(r10, count * LineBytes);
        code.add(r11, count * StripeBytes);
    }

    /// <summary>Scores and states of all heads, as <see cref="SoftmaxEmitter"/> takes them.</summary>
    private void AllRows()
    {
        code.mov(r9, __qword_ptr[rdi + Scores]);
        code.mov(rsi, __qword_ptr[rdi + States]);
        code.mov(r8, __qword_ptr[rdi + StateStride]);
        code.mov(edx, ScoreStride);
    }

    private void CountRows() => code.imul(rbp, __qword_ptr[rdi + Heads], rows);

    /// <summary>Asks for the first line of each region of the next block. RBP: heads, also afterwards.</summary>
    private void TouchNextBlock()
    {
        code.mov(r13, rbp);
        code.shl(r13, 4);
        code.add(r13, rbx);
        Label head = code.CreateLabel();
        code.Label(ref head);
        code.mov(rcx, __qword_ptr[r13]);
        code.mov(rdx, __qword_ptr[r13 + 8]);
        code.prefetcht1(__byte_ptr[rcx]);
        code.prefetcht1(__byte_ptr[rdx]);
        code.add(r13, 16);
        code.dec(rbp);
        code.jnz(head);
        code.mov(rbp, __qword_ptr[rdi + Heads]);
    }

    /// <summary>RCX: the region; R13: from there to the one that is asked for meanwhile.</summary>
    private void NextRegion()
    {
        code.mov(rcx, __qword_ptr[rbx]);
        code.mov(r13, __qword_ptr[rdi + Ahead]);
        code.mov(r13, __qword_ptr[rbx + r13]);
        code.sub(r13, rcx);
        code.add(rbx, 8);
    }
}
