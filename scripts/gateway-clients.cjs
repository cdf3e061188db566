// The official JavaScript clients of the providers, each with one submit and one way to its result; for gateway-clients.py.
//
// Nothing of a client is changed: its own retries and waits count. Only its address, its key and its time-out are set, as a
// program would. NODE_PATH names the directory that has them.
//   node gateway-clients.cjs                      one JSON line that lists those that are there
//   node gateway-clients.cjs NAME ADDRESS KEY     orders on standard input, replies on standard output, JSON lines

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { setTimeout: sleep } = require("node:timers/promises");

const IMAGE = "https://example.com/face.png";

/** Asks until the task has ended; what was returned last. */
async function untilEnded(get, hasEnded, seconds) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const record = await get();
    if (hasEnded(record)) return record;
    if (Date.now() > deadline) throw new Error(`still running after ${seconds} s`);
    await sleep(300);
  }
}

function succeeded(record, words) {
  if (!words.includes(record.status)) throw new Error(`ended: ${JSON.stringify(record)}`);
  return record;
}

class OpenAI {
  static about = { package: "openai", provider: "openai", operation: "videos" };

  constructor(address, key, timeout) {
    const { OpenAI: Client } = require("openai");
    this.client = new Client({ baseURL: `${address}/v1`, apiKey: key, timeout });
  }
  async submit(prompt) {
    return (await this.client.videos.create({ model: "sora-2", prompt, seconds: "4" })).id;
  }
  async result(id, seconds) {
    const ended = (video) => ["completed", "failed"].includes(video.status);
    return succeeded(await untilEnded(() => this.client.videos.retrieve(id), ended, seconds), ["completed"]).id;
  }
}

class RunwayML {
  static about = { package: "@runwayml/sdk", provider: "runway", operation: "imageToVideo" };

  constructor(address, key, timeout) {
    const { RunwayML: Client } = require("@runwayml/sdk");
    this.client = new Client({ baseURL: address, apiKey: key, timeout });
  }
  async submit(prompt) {
    return (
      await this.client.imageToVideo.create({
        model: "gen4_turbo", promptImage: IMAGE, promptText: prompt, ratio: "1280:720", duration: 5,
      })
    ).id;
  }
  async result(id, seconds) {
    return (await this.client.tasks.retrieve(id).waitForTaskOutput({ timeout: seconds * 1000 })).output[0];
  }
}

/** Its calls take a signal instead of a time-out. */
class Replicate {
  static about = { package: "replicate", provider: "replicate", operation: "predictions" };

  constructor(address, key, timeout) {
    const Client = require("replicate");
    this.client = new Client({ baseUrl: `${address}/v1`, auth: key });
    this.timeout = timeout;
  }
  async submit(prompt) {
    const version = "5c7d5dc6dd8bf75c1acaa8565735e798";
    const signal = AbortSignal.timeout(this.timeout);
    return (await this.client.predictions.create({ version, input: { prompt }, signal })).id;
  }
  async result(id, seconds) {
    const deadline = Date.now() + seconds * 1000;
    const prediction = await this.client.wait(
      await this.client.predictions.get(id), { interval: 300 }, async () => Date.now() > deadline);
    return succeeded(prediction, ["succeeded"]).output[0];
  }
}

/** Its addresses are fixed. A proxy is its documented way to the gateway; a middleware leads it to the sandbox. */
class Fal {
  static about = { package: "@fal-ai/client", provider: "fal", operation: "fal-ai/flux/dev" };

  constructor(address, key, timeout) {
    const { fal } = require("@fal-ai/client");
    fal.config(
      key.startsWith("pollux_")
        ? { proxyUrl: { url: address, when: "always" }, credentials: key }
        : {
            requestMiddleware: async (request) => ({
              ...request, url: request.url.replace("https://queue.fal.run", address),
            }),
            credentials: key,
          });
    this.client = fal;
    this.timeout = timeout;
  }
  async submit(prompt) {
    const abortSignal = AbortSignal.timeout(this.timeout);
    return (await this.client.queue.submit(Fal.about.operation, { input: { prompt }, abortSignal })).request_id;
  }
  async result(requestId, seconds) {
    const app = Fal.about.operation;
    await this.client.queue.subscribeToStatus(app, { requestId, pollInterval: 300, timeout: seconds * 1000 });
    return (await this.client.queue.result(app, { requestId })).data.images[0].url;
  }
}

class Google {
  constructor(address, key, timeout) {
    const { GoogleGenAI } = require("@google/genai");
    this.client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: address, timeout } });
  }
}

class GoogleInteractions extends Google {
  static about = { package: "@google/genai", provider: "google", operation: "interactions" };

  async submit(prompt) {
    return (await this.client.interactions.create({ model: "gemini-3.5-flash", input: prompt, background: true })).id;
  }
  async result(id, seconds) {
    const ended = (interaction) => ["completed", "failed", "cancelled"].includes(interaction.status);
    const interaction = await untilEnded(() => this.client.interactions.get(id), ended, seconds);
    return succeeded(interaction, ["completed"]).output_text;
  }
}

class GoogleVideos extends Google {
  static about = { package: "@google/genai", provider: "google", operation: "generateVideos" };

  async submit(prompt) {
    return (await this.client.models.generateVideos({ model: "veo-3.0-generate-001", source: { prompt } })).name;
  }
  async result(name, seconds) {
    const { GenerateVideosOperation } = require("@google/genai");
    let operation = new GenerateVideosOperation();
    operation.name = name;
    operation = await untilEnded(
      () => this.client.operations.getVideosOperation({ operation }), (operation) => operation.done, seconds);
    if (operation.error) throw new Error(JSON.stringify(operation.error));
    return operation.response.generatedVideos[0].video.uri;
  }
}

const clients = { OpenAI, RunwayML, Replicate, Fal, GoogleInteractions, GoogleVideos };

function list() {
  const found = [];
  for (const [name, { about }] of Object.entries(clients)) {
    const file = path.join(process.env.NODE_PATH, about.package, "package.json");
    if (fs.existsSync(file)) found.push({ name, ...about, version: JSON.parse(fs.readFileSync(file)).version });
  }
  console.log(JSON.stringify(found));
}

async function run(order, [name, address, key]) {
  const reply = { n: order.n };
  try {
    const client = new clients[name](address, key, order.timeout * 1000);
    if (!("id" in order)) reply.id = await client.submit(order.prompt);
    if (order.seconds) reply.result = String(await client.result(order.id ?? reply.id, order.seconds));
  } catch (error) {
    const kind = error.name === "Error" ? error.constructor.name : error.name;
    reply.error = `${kind}: ${error.message}`.slice(0, 300);
  }
  console.log(JSON.stringify(reply));
}

const choice = process.argv.slice(2);
if (!choice.length) list();
else {
  console.warn = console.error; // Standard output has replies only.
  readline.createInterface({ input: process.stdin }).on("line", (line) => run(JSON.parse(line), choice));
}
