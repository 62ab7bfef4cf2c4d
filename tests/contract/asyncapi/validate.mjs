// Parses an AsyncAPI document with the specification's own parser and prints, as JSON, what the
// parser objects to and what it found. Usage: node validate.mjs FILE
import { readFileSync } from "node:fs";
import asyncapi from "@asyncapi/parser";

const { document, diagnostics } = await new asyncapi.Parser().parse(
  readFileSync(process.argv[2], "utf8"),
);
const found = document && {
  channels: document.channels().all().map((channel) => channel.address()),
  operations: document.operations().all().length,
  messages: document.messages().all().map((message) => ({
    name: message.name(),
    contentType: message.contentType(),
    correlation: message.correlationId()?.location(),
  })),
};
const objections = diagnostics.map((each) => ({
  severity: ["error", "warning", "information", "hint"][each.severity],
  code: each.code,
  place: each.path.join("/"),
  message: each.message,
}));
console.log(JSON.stringify({ found, objections }));
