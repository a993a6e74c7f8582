// Streams from each model with the official SDK's own accumulator, and prints what it made of it: one JSON line each.
//
//     node stream.mjs BASE_URL MODEL ...
//
// {"model", "text": {content, finish, tokens}, "tool": {name, arguments, finish}}

import OpenAI from "openai";

const [baseURL, ...models] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0, timeout: 20_000 });
const tool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

async function accumulated(fields) {
  const stream = client.chat.completions.stream({ messages: [{ role: "user", content: "Hello" }], ...fields });
  return stream.finalChatCompletion();
}

for (const model of models) {
  const text = await accumulated({ model, stream_options: { include_usage: true } });
  const tooled = await accumulated({ model, tools: [tool], tool_choice: "required" });
  const call = tooled.choices[0].message.tool_calls[0];
  console.log(
    JSON.stringify({
      model,
      text: {
        content: text.choices[0].message.content,
        finish: text.choices[0].finish_reason,
        tokens: text.usage.total_tokens,
      },
      tool: { name: call.function.name, arguments: JSON.parse(call.function.arguments), finish: tooled.choices[0].finish_reason },
    }),
  );
}
