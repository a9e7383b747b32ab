// A service on Vercel's AI SDK that sends its spans to the collector. docs/sending.md quotes it.
import { AsyncLocalStorage } from 'node:async_hooks';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { OpenTelemetry } from '@ai-sdk/otel';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { embed, generateText, isStepCount, jsonSchema, registerTelemetry, streamText, tool } from 'ai';

// Who calls: every span that starts inside `caller.run` has these attributes.
const caller = new AsyncLocalStorage();
const attributes = {
  onStart: (span) => span.setAttributes(caller.getStore() ?? {}),
  onEnd: () => {},
  forceFlush: async () => {},
  shutdown: async () => {},
};
// Endpoint, headers and service name are read from OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, …_HEADERS and OTEL_SERVICE_NAME.
const provider = new NodeTracerProvider({
  spanProcessors: [attributes, new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();
registerTelemetry(new OpenTelemetry());

const models = createOpenAICompatible({ name: 'openai', baseURL: process.env.PROVIDER_URL, includeUsage: true });
const weather = tool({
  description: 'The weather',
  inputSchema: jsonSchema({ type: 'object', properties: {} }),
  execute: async () => 'sun',
});
const ask = { model: models('gpt-4o'), prompt: 'SECRET prompt', telemetry: { isEnabled: true } };
await caller.run({ 'spendmeter.user_id': 'u-7', 'spendmeter.feature': 'essay' }, async () => {
  await generateText({ ...ask, tools: { weather }, stopWhen: isStepCount(3) });
  for await (const text of streamText(ask).textStream) void text;
});
await embed({ model: models.embeddingModel('text-embedding-3-small'), value: 'SECRET', telemetry: { isEnabled: true } });
await provider.shutdown();
