// Streams from each model through the Responses and the Messages API with the official SDKs' own accumulators, and
// prints what they made of it: one JSON line for each API and model.
//
//     node apis.mjs ORIGIN MODEL ...
//
// {"model", "api", "text", "end", "tool": {name, arguments}}

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [origin, ...models] = process.argv.slice(2);
const options = { apiKey: "any", maxRetries: 0, timeout: 20_000 };
const openai = new OpenAI({ baseURL: `${origin}/v1`, ...options });
const anthropic = new Anthropic({ baseURL: origin, ...options });
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

async function responses(model) {
  const ask = (fields) => openai.responses.stream({ model, input: "Hello", ...fields }).finalResponse();
  const tools = [{ type: "function", name: "get_weather", parameters, strict: true }];
  const text = await ask({});
  const call = (await ask({ tools, tool_choice: "required" })).output.find((item) => item.type === "function_call");
  const tool = { name: call.name, arguments: JSON.parse(call.arguments) };
  return { model, api: "responses", text: text.output_text, end: text.status, tool };
}

async function messages(model) {
  const body = { model, max_tokens: 500, messages: [{ role: "user", content: "Hello" }] };
  const ask = (fields) => anthropic.messages.stream({ ...body, ...fields }).finalMessage();
  const tools = [{ name: "get_weather", input_schema: parameters }];
  const text = await ask({});
  const call = (await ask({ tools, tool_choice: { type: "any" } })).content.find((block) => block.type === "tool_use");
  const tool = { name: call.name, arguments: call.input };
  return { model, api: "messages", text: text.content[0].text, end: text.stop_reason, tool };
}

for (const model of models) {
  console.log(JSON.stringify(await responses(model)));
  console.log(JSON.stringify(await messages(model)));
}
