// usage: node openai.mjs BASE_URL MODEL
// Lists models, completes, chats and streams with OpenAI's own client; prints what came back as one JSON object.
import OpenAI from 'openai';

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: 'unused', maxRetries: 0 });
const messages = [{ role: 'user', content: 'What is the capital of France?' }];

const models = [];
for await (const item of client.models.list()) {
  models.push(item.id);
}

const completion = await client.completions.create({ model, prompt: ['The capital of', 'Once upon a time'], max_tokens: 8, temperature: 0 });
const chat = await client.chat.completions.create({ model, messages, temperature: 0 });

let streamed = '';
let finish = null;
let usage = null;
const stream = await client.chat.completions.create({ model, messages, temperature: 0, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta?.content ?? '';
  finish = chunk.choices[0]?.finish_reason ?? finish;
  usage = chunk.usage ?? usage;
}

let completionStreamed = '';
for await (const chunk of await client.completions.create({ model, prompt: 'The capital of', max_tokens: 8, temperature: 0, stream: true })) {
  completionStreamed += chunk.choices[0]?.text ?? '';
}

let error = null;
try {
  await client.chat.completions.create({ model: 'absent', messages });
} catch (failure) {
  error = { kind: failure.constructor.name, status: failure.status, code: failure.code };
}

console.log(JSON.stringify({ models, completion, chat, streamed, finish, usage, completionStreamed, error }));
