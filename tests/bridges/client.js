// A client of `pyshell serve` in another language, with nothing but its standard library: node client.js COMMAND…
"use strict";
const { spawn } = require("child_process");

let serving, waiting, events, newest = 0, listener;

function start(from) {
  serving = spawn(process.argv[2], process.argv.slice(3), { stdio: ["pipe", "pipe", "inherit"] });
  waiting = new Map();
  let buffered = Buffer.alloc(0);
  serving.stdout.on("data", (data) => {
    buffered = Buffer.concat([buffered, data]);
    for (;;) {
      const head = buffered.indexOf("\r\n\r\n");
      if (head < 0) return;
      const end = head + 4 + Number(/Content-Length: (\d+)/.exec(buffered.subarray(0, head))[1]);
      if (buffered.length < end) return;
      take(JSON.parse(buffered.subarray(head + 4, end)));
      buffered = buffered.subarray(end);
    }
  });
  return ask("initialize", { client: "node", subscribe: from });
}

function take(message) {
  if (message.method === "event") {
    events.push(message.params);
    if (listener) listener();
  } else if (waiting.has(message.id)) {
    const [resolve, reject] = waiting.get(message.id);
    waiting.delete(message.id);
    message.error ? reject(new Error(message.error.message)) : resolve(message.result);
  }
}

function ask(method, params = {}) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: ++newest, method, params });
  serving.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return new Promise((resolve, reject) => waiting.set(newest, [resolve, reject]));
}

function event(cell, kind) {
  return new Promise((resolve) => {
    listener = () => {
      const found = events.find((one) => one.cell === cell && one.body.kind === kind);
      if (found) { listener = null; resolve(found.body); }
    };
    listener();
  });
}

async function run(code) {
  const { cell } = await ask("execute", { code });
  await event(cell, "finished");
  return events.filter((one) => one.cell === cell).map((one) => one.body);
}

async function main() {
  events = [];
  await start(1);
  const bodies = await run("answer = 6 * 7\nanswer");
  console.log(bodies.find((body) => body.kind === "result").text);

  const busy = (await ask("execute", { code: "import signal\nprint('waits', flush=True)\nsignal.pause()" })).cell;
  await event(busy, "output");
  const { matches } = await ask("complete", { code: "answ", cursor_pos: 4 });
  if (matches.some((match) => match.text === "answer")) console.log("completed while busy");
  await ask("interrupt");
  console.log((await event(busy, "error")).error.kind);
  await event(busy, "finished");

  serving.stdin.end();
  await new Promise((resolve) => serving.on("close", resolve));
  await start(events[events.length - 1].seq + 1);
  const died = await run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)");
  console.log("died", died.find((body) => body.kind === "died").exit.signal);
  console.log("kept", (await run("answer")).find((body) => body.kind === "result").text);
  console.log(events.every((one, index) => one.seq === index + 1) ? "nothing missed" : "missed");
  serving.stdin.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
